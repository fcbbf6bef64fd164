"""Run one attempt of a task so that its work is done once, whatever dies in between.

The outbox row is the truth about an attempt, the broker's message only a hint to look at it. A row
that is gone is done; a row with another attempt number has moved on; either way a copy of the
message does nothing. `starts` counts beginnings, so a message that takes its process down each time
ends as a dead letter instead of going round for ever.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from observability.instrumentation.propagation import TraceContext
from service.storage import orders, outbox
from worker.errors import TooManyStartsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from uuid import UUID

    from psycopg import Connection

    from service.orders import Order
    from service.storage.database import Database

T = TypeVar("T")

logger = logging.getLogger(__name__)

MAX_STARTS = 8
LONGEST_ERROR = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """Hold what a message says: which row, which attempt of it, about which order.

    Args:
        row: Id of the outbox row.
        attempt: The attempt that was sent, from 1.
    """

    task: str
    row: int
    attempt: int
    order_id: UUID
    payload: Mapping[str, Any]


class Attempts:
    """Begin, finish, put off and give up attempts, each in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, delivery: Delivery, plan: Callable[[Connection[Any], Order], T | None]
    ) -> T | None:
        """Claim the row and plan its work with the order locked.

        Returns:
            The plan, or None when nothing is left to do; the row is finished then.

        Raises:
            TooManyStartsError: The task began too often and never ended.
        """

        def work(conn: Connection[Any]) -> T | None:
            starts = _claim(conn, delivery)
            if starts is None or starts > MAX_STARTS:
                _stop(delivery, starts)
                return None
            planned = plan(conn, orders.lock_order(conn, delivery.order_id))
            if planned is None:
                _finish(conn, delivery)
            return planned

        return self._database.run(work)

    def finish(
        self, delivery: Delivery, record: Callable[[Connection[Any], Order], Order | None]
    ) -> Order | None:
        """Record the outcome and delete the row.

        Args:
            delivery: Whose row.
            record: Writes the outcome with the order locked; returns the order if it changed.

        Returns:
            The order if this call changed it, None also when another copy was faster.
        """

        def work(conn: Connection[Any]) -> Order | None:
            if not _finish(conn, delivery):
                return None
            return record(conn, orders.lock_order(conn, delivery.order_id))

        return self._database.run(work)

    def put_off(
        self, delivery: Delivery, due_in: timedelta, error: BaseException, *, counts: bool
    ) -> None:
        """Let the row be sent again later.

        Args:
            delivery: Whose row.
            due_in: How long it waits.
            error: Why; kept in the row.
            counts: Whether this was an attempt; False when nobody was asked.
        """
        values = (int(counts), due_in, describe(error), delivery.row, delivery.attempt)
        self._database.run(lambda conn: conn.execute(_PUT_OFF, values))

    def bury(self, delivery: Delivery, error: BaseException) -> None:
        """Move the row to the dead letters."""
        values = (delivery.row, delivery.attempt, type(error).__name__, describe(error))
        self._database.run(lambda conn: conn.execute(_BURY, values))

    def forget_start(self, delivery: Delivery) -> None:
        """Take back a start that ended by itself, only without being able to say how."""
        values = (delivery.row, delivery.attempt)
        self._database.run(lambda conn: conn.execute(_FORGET_START, values))

    def adopt(self, task: str, order_id: UUID, payload: Mapping[str, Any]) -> None:
        """Write a row for a message that came without one."""
        message = outbox.Message(order_id, task, dict(payload), trace=TraceContext.current())
        self._database.run(lambda conn: outbox.add(conn, message))


_CLAIM = (
    "UPDATE outbox SET starts = starts + 1"
    " WHERE id = %s AND attempt = %s AND poisoned_at IS NULL RETURNING starts"
)
_PUT_OFF = (
    "UPDATE outbox SET attempt = attempt + %s, starts = 0, published_at = NULL,"
    " due_at = now() + %s, last_error = %s WHERE id = %s AND attempt = %s"
)
_FORGET_START = "UPDATE outbox SET starts = greatest(starts - 1, 0) WHERE id = %s AND attempt = %s"
_BURY = """
WITH gone AS (
    DELETE FROM outbox WHERE id = %s AND attempt = %s
    RETURNING task, queue, order_id, payload, attempt, traceparent)
INSERT INTO dead_letters
    (task, queue, order_id, payload, attempt, traceparent, error_type, error)
SELECT task, queue, order_id, payload, attempt, traceparent, %s, %s FROM gone
"""


def describe(error: BaseException) -> str:
    """Return an error as one line that fits a row."""
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR]


def _claim(conn: Connection[Any], delivery: Delivery) -> int | None:
    row = conn.execute(_CLAIM, (delivery.row, delivery.attempt)).fetchone()
    return int(row[0]) if row else None


def _finish(conn: Connection[Any], delivery: Delivery) -> bool:
    values = (delivery.row, delivery.attempt)
    deleted = conn.execute("DELETE FROM outbox WHERE id = %s AND attempt = %s", values)
    return deleted.rowcount == 1


def _stop(delivery: Delivery, starts: int | None) -> None:
    if starts is not None:
        raise TooManyStartsError(f"began {starts} times and never ended")
    logger.info(
        "message is a copy; its work is done or goes on elsewhere",
        extra={"row": delivery.row, "attempt": delivery.attempt},
    )
