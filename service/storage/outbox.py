"""The outbox: work that must follow a transaction, written in that transaction.

A row is written with the change that causes it, sent by the relay when it is due, and deleted by
the task that finishes it. All SQL about the table is here, each function inside the caller's
transaction. The functions of the worker name a row and its attempt, and do nothing when the row is
deleted or has moved on to another attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb

from observability.instrumentation.propagation import NO_TRACE, TraceContext
from service.semconv import QUEUE_ORDERS, TASK_QUEUES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import Connection

# The channel to LISTEN on; a trigger notifies it.
CHANNEL = "outbox"
MAX_ERROR_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """A task to be sent about an order.

    Args:
        due_in: How long the relay holds it back.
        trace: Trace context of the work that caused it.
    """

    order_id: UUID
    task: str
    payload: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    due_in: timedelta = timedelta(0)
    trace: TraceContext = NO_TRACE

    @property
    def queue(self) -> str:
        """The queue of the task; the one for orders if the task is unknown."""
        return TASK_QUEUES.get(self.task, QUEUE_ORDERS)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row as it is sent.

    Args:
        was_put_off: Whether it failed before, or was not tried while a circuit was open.
    """

    id: int
    order_id: UUID
    task: str
    queue: str
    payload: dict[str, Any]
    attempt: int
    was_put_off: bool
    trace: TraceContext


@dataclass(frozen=True, slots=True)
class PoisonRow:
    """A row that was set aside because it cannot be sent, and why."""

    id: int
    poisoned_at: datetime
    task: str
    order_id: UUID
    error: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """The outbox rows that are due and not sent, and those that cannot be sent."""

    unpublished_rows: int
    oldest_unpublished_age_seconds: float
    poison_rows: int


# Every reschedule writes the error, also one that does not count as an attempt.
_COLUMNS = (
    "id, order_id, task, queue, payload, attempt, last_error IS NOT NULL, traceparent, tracestate"
)

_ADD = """
INSERT INTO outbox (order_id, task, queue, payload, attempt, due_at, traceparent, tracestate)
VALUES (%s, %s, %s, %s, %s, now() + %s, %s, %s)
RETURNING id
"""

# An older row of the same order holds back a younger one even while another relay has it locked,
# so the order of an order's messages survives any number of relays.
_FETCH_DUE = f"""
SELECT {_COLUMNS}
FROM outbox
WHERE published_at IS NULL AND poisoned_at IS NULL AND due_at <= now()
  AND NOT EXISTS (
      SELECT 1 FROM outbox AS older
      WHERE older.order_id = outbox.order_id AND older.id < outbox.id
        AND older.published_at IS NULL AND older.poisoned_at IS NULL AND older.due_at <= now())
ORDER BY due_at, id
LIMIT %s
FOR UPDATE SKIP LOCKED
"""  # noqa: S608

_RESCHEDULE = """
UPDATE outbox
SET attempt = attempt + %s, starts = 0, published_at = NULL, due_at = now() + %s, last_error = %s
WHERE id = %s AND attempt = %s
"""

# Two subqueries, since one filter over both states would read the whole table.
_BACKLOG = """
SELECT due.rows, due.age, poison.rows
FROM (SELECT count(*) AS rows, coalesce(extract(epoch FROM now() - min(due_at)), 0) AS age
      FROM outbox
      WHERE published_at IS NULL AND poisoned_at IS NULL AND due_at <= now()) AS due,
     (SELECT count(*) AS rows FROM outbox WHERE poisoned_at IS NOT NULL) AS poison
"""


def add(conn: Connection[Any], message: Message) -> int:
    """Write a message to be sent once this transaction is committed; return its id."""
    values = (message.order_id, message.task, message.queue, Jsonb(message.payload))
    row = conn.execute(_ADD, (*values, message.attempt, message.due_in, *message.trace)).fetchone()
    return int(row[0]) if row else 0


def fetch_due(conn: Connection[Any], limit: int = 100) -> list[OutboxRow]:
    """Lock and return rows to send now, of each order at most its oldest."""
    return [_to_row(row) for row in conn.execute(_FETCH_DUE, (limit,)).fetchall()]


def mark_published(conn: Connection[Any], ids: Sequence[int]) -> None:
    """Record that the broker has these rows."""
    conn.execute("UPDATE outbox SET published_at = now() WHERE id = ANY(%s)", (list(ids),))


def poison(conn: Connection[Any], row_id: int, error: str) -> None:
    """Set aside a row that cannot be sent, so that it blocks no other."""
    conn.execute(
        "UPDATE outbox SET poisoned_at = now(), last_error = %s WHERE id = %s",
        (error[:MAX_ERROR_LENGTH], row_id),
    )


def unfinished(conn: Connection[Any], age: timedelta, limit: int = 500) -> list[tuple[int, int]]:
    """Return id and attempt of rows that were sent longer ago than `age` and are not done."""
    query = (
        "SELECT id, attempt FROM outbox WHERE published_at < now() - %s AND poisoned_at IS NULL"
        " ORDER BY published_at LIMIT %s"
    )
    return conn.execute(query, (age, limit)).fetchall()


def resend(conn: Connection[Any], ids: Sequence[int], age: timedelta) -> None:
    """Make rows due again that were sent longer ago than `age`."""
    conn.execute(
        "UPDATE outbox SET published_at = NULL WHERE id = ANY(%s) AND published_at < now() - %s",
        (list(ids), age),
    )


def claim(conn: Connection[Any], row_id: int, attempt: int) -> int | None:
    """Lock a row and count a start of its attempt.

    Returns:
        How often the attempt has started, or None when there is nothing left to do.
    """
    query = (
        "UPDATE outbox SET starts = starts + 1"
        " WHERE id = %s AND attempt = %s AND poisoned_at IS NULL RETURNING starts"
    )
    row = conn.execute(query, (row_id, attempt)).fetchone()
    return int(row[0]) if row else None


def take_back_start(conn: Connection[Any], row_id: int, attempt: int) -> None:
    """Subtract one start from an attempt."""
    conn.execute(
        "UPDATE outbox SET starts = greatest(starts - 1, 0) WHERE id = %s AND attempt = %s",
        (row_id, attempt),
    )


def reschedule(
    conn: Connection[Any],
    row_id: int,
    attempt: int,
    due_in: timedelta,
    error: str,
    *,
    counts: bool = True,
) -> None:
    """Let a row be sent again later.

    Args:
        conn: The caller's transaction.
        row_id: Which row.
        attempt: The attempt that failed.
        due_in: How long the relay holds the row back.
        error: Why it failed; kept in the row.
        counts: Whether the row moves on to its next attempt, or repeats this one.
    """
    conn.execute(_RESCHEDULE, (int(counts), due_in, error[:MAX_ERROR_LENGTH], row_id, attempt))


def remove(conn: Connection[Any], row_id: int, attempt: int) -> OutboxRow | None:
    """Delete a row whose task is over and return it; None when it was gone or had moved on."""
    query = f"DELETE FROM outbox WHERE id = %s AND attempt = %s RETURNING {_COLUMNS}"  # noqa: S608
    row = conn.execute(query, (row_id, attempt)).fetchone()
    return _to_row(row) if row else None


def backlog(conn: Connection[Any]) -> Backlog:
    """Return how much is due and not sent, and how much is set aside."""
    row = conn.execute(_BACKLOG).fetchone() or (0, 0.0, 0)
    return Backlog(int(row[0]), float(row[1]), int(row[2]))


def scheduled(conn: Connection[Any]) -> dict[str, int]:
    """Return how many rows of each queue are due later."""
    rows = conn.execute(
        "SELECT queue, count(*) FROM outbox"
        " WHERE published_at IS NULL AND poisoned_at IS NULL AND due_at > now() GROUP BY queue"
    )
    return {queue: int(count) for queue, count in rows.fetchall()}


def poison_rows(conn: Connection[Any], limit: int = 1000) -> list[PoisonRow]:
    """Return the rows that were set aside, oldest first."""
    query = (
        "SELECT id, poisoned_at, task, order_id, last_error FROM outbox"
        " WHERE poisoned_at IS NOT NULL ORDER BY id LIMIT %s"
    )
    return [PoisonRow(*row) for row in conn.execute(query, (limit,))]


def release_poison_rows(conn: Connection[Any], row_id: int | None) -> int:
    """Make one row that was set aside due again, or all of them (None); return how many."""
    query = (
        "UPDATE outbox SET poisoned_at = NULL, last_error = NULL"
        " WHERE poisoned_at IS NOT NULL AND id = coalesce(%s, id)"
    )
    return conn.execute(query, (row_id,)).rowcount


def discard_poison_rows(conn: Connection[Any]) -> int:
    """Delete the rows that were set aside; return how many there were."""
    return conn.execute("DELETE FROM outbox WHERE poisoned_at IS NOT NULL").rowcount


def _to_row(row: tuple[Any, ...]) -> OutboxRow:
    number, order_id, task, queue, payload, attempt, was_put_off, *trace = row
    trace_context = TraceContext(*trace)
    return OutboxRow(number, order_id, task, queue, payload, attempt, was_put_off, trace_context)
