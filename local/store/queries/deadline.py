"""End a query that takes too long: SQLite looks at the clock as it reads, and so does each row."""

from __future__ import annotations

import sqlite3
import threading
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


class _Clock(threading.local):
    """When the query of this thread must end."""

    end = float("inf")


_clock = _Clock()


def bounded(
    query: Callable[Concatenate[sqlite3.Connection, P], R],
) -> Callable[Concatenate[sqlite3.Connection, P], R]:
    """Wrap a function that reads from the store, so that it ends after QUERY_SECONDS.

    Raises:
        QueryTooLongError: The time was over. What was found until then is lost: it may not be all.
    """

    @wraps(query)
    def limited(connection: sqlite3.Connection, /, *args: P.args, **kwargs: P.kwargs) -> R:
        end = _clock.end = time.monotonic() + QUERY_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            return query(connection, *args, **kwargs)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise _too_long() from None
        finally:
            _clock.end = _Clock.end
            connection.set_progress_handler(None, 0)

    return limited


def check() -> None:
    """Look at the clock, between two rows of a loop in Python.

    Raises:
        QueryTooLongError: The time of the query is over.
    """
    if time.monotonic() > _clock.end:
        raise _too_long()


def _too_long() -> QueryTooLongError:
    return QueryTooLongError(
        f"the query was stopped after {QUERY_SECONDS:g} s, before it had read the whole time"
        " range; choose a shorter one, or name a service, an id or a trace"
    )
