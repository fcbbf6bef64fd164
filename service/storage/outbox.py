"""Keep what must be sent after a transaction, in the same transaction.

A row is written with the change that causes it, sent by the relay when it is due, and deleted by
the task that finishes it. Every function works inside the caller's transaction.
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

    from psycopg import Connection

# What LISTEN names; a trigger notifies it.
CHANNEL = "outbox"
LONGEST_ERROR = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """Hold what is to be sent about an order.

    Args:
        due_in: How long the relay must not send it.
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
        """Return the queue of the task; one that nobody knows goes where orders go."""
        return TASK_QUEUES.get(self.task, QUEUE_ORDERS)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row as the relay sends it."""

    id: int
    order_id: UUID
    task: str
    payload: dict[str, Any]
    attempt: int
    trace: TraceContext


@dataclass(frozen=True, slots=True)
class Backlog:
    """Count what is due and not sent, and what cannot be sent."""

    unpublished_rows: int
    oldest_unpublished_age_seconds: float
    poison_rows: int


_ADD = """
INSERT INTO outbox (order_id, task, queue, payload, attempt, due_at, traceparent, tracestate)
VALUES (%s, %s, %s, %s, %s, now() + %s, %s, %s)
RETURNING id
"""

# An older row of the same order holds back a younger one also while another relay has it locked,
# so the order of an order's messages survives any number of relays.
_FETCH_DUE = """
SELECT id, order_id, task, payload, attempt, traceparent, tracestate
FROM outbox
WHERE published_at IS NULL AND poisoned_at IS NULL AND due_at <= now()
  AND NOT EXISTS (
      SELECT 1 FROM outbox AS older
      WHERE older.order_id = outbox.order_id AND older.id < outbox.id
        AND older.published_at IS NULL AND older.poisoned_at IS NULL AND older.due_at <= now())
ORDER BY due_at, id
LIMIT %s
FOR UPDATE SKIP LOCKED
"""

# Three questions, since one filter over both states would read the whole table.
_BACKLOG = """
SELECT due.rows, due.age, poison.rows
FROM (SELECT count(*) AS rows, coalesce(extract(epoch FROM now() - min(due_at)), 0) AS age
      FROM outbox
      WHERE published_at IS NULL AND poisoned_at IS NULL AND due_at <= now()) AS due,
     (SELECT count(*) AS rows FROM outbox WHERE poisoned_at IS NOT NULL) AS poison
"""

_SCHEDULED = """
SELECT queue, count(*) FROM outbox
WHERE published_at IS NULL AND poisoned_at IS NULL AND due_at > now()
GROUP BY queue
"""


def add(conn: Connection[Any], message: Message) -> int:
    """Write a message to be sent once this transaction is committed; return its id."""
    row = conn.execute(
        _ADD,
        (
            message.order_id,
            message.task,
            message.queue,
            Jsonb(message.payload),
            message.attempt,
            message.due_in,
            *message.trace,
        ),
    ).fetchone()
    return int(row[0]) if row else 0


def fetch_due(conn: Connection[Any], limit: int = 100) -> list[OutboxRow]:
    """Lock and return rows to send now, of each order at most its oldest."""
    rows = conn.execute(_FETCH_DUE, (limit,)).fetchall()
    return [
        OutboxRow(number, order_id, task, payload, attempt, TraceContext(*trace))
        for number, order_id, task, payload, attempt, *trace in rows
    ]


def mark_published(conn: Connection[Any], ids: Sequence[int]) -> None:
    """Record that the broker has these rows."""
    conn.execute("UPDATE outbox SET published_at = now() WHERE id = ANY(%s)", (list(ids),))


def poison(conn: Connection[Any], row_id: int, error: str) -> None:
    """Set aside a row that cannot be sent, so that it blocks no other."""
    conn.execute(
        "UPDATE outbox SET poisoned_at = now(), last_error = %s WHERE id = %s",
        (error[:LONGEST_ERROR], row_id),
    )


def retry(conn: Connection[Any], row_id: int, due_in: timedelta, error: str) -> None:
    """Let a row be sent again later, as its next attempt."""
    conn.execute(
        "UPDATE outbox SET attempt = attempt + 1, starts = 0, published_at = NULL,"
        " due_at = now() + %s, last_error = %s WHERE id = %s",
        (due_in, error[:LONGEST_ERROR], row_id),
    )


def finish(conn: Connection[Any], row_id: int) -> None:
    """Delete a row whose work is done; part of the transaction that records the outcome."""
    conn.execute("DELETE FROM outbox WHERE id = %s", (row_id,))


def backlog(conn: Connection[Any]) -> Backlog:
    """Return how much is due and not sent, and how much is set aside."""
    row = conn.execute(_BACKLOG).fetchone() or (0, 0.0, 0)
    return Backlog(int(row[0]), float(row[1]), int(row[2]))


def scheduled(conn: Connection[Any]) -> dict[str, int]:
    """Return how many rows of each queue are due later."""
    return {queue: int(count) for queue, count in conn.execute(_SCHEDULED).fetchall()}
