"""End a query that takes too long: each row that SQLite reads checks the time."""

from __future__ import annotations

import sqlite3
import time
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from local.store.errors import QueryTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable

QUERY_SECONDS = 5.0
# Steps of SQLite's machine between two looks at the clock: some rows.
_STEPS = 1_000

P = ParamSpec("P")
R = TypeVar("R")


def bounded(
    query: Callable[Concatenate[sqlite3.Connection, P], R],
) -> Callable[Concatenate[sqlite3.Connection, P], R]:
    """Wrap a function that reads from the store, so that it ends after QUERY_SECONDS.

    Raises:
        QueryTooLongError: The time was over. What was found until then is lost: it may not be all.
    """

    @wraps(query)
    def limited(connection: sqlite3.Connection, /, *args: P.args, **kwargs: P.kwargs) -> R:
        end = time.monotonic() + QUERY_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            return query(connection, *args, **kwargs)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise QueryTooLongError(
                f"the query was stopped after {QUERY_SECONDS:g} s, before it had read the whole "
                "time range; choose a shorter one, or name a service, an id or a trace"
            ) from None
        finally:
            connection.set_progress_handler(None, 0)

    return limited
