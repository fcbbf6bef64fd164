"""The dead letters: tasks that failed for good and wait for a person.

All SQL about the table is here, each function inside the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from observability.instrumentation.propagation import TraceContext
from service.storage import outbox

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

    from service.storage.outbox import OutboxRow


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that failed for good.

    Args:
        attempt: The last attempt.
        traceparent: Trace context of the request that caused the task.
        replayed_at: When it was put into the outbox again.
    """

    id: int
    task: str
    queue: str
    order_id: UUID
    payload: dict[str, Any]
    attempt: int
    error_type: str
    error: str
    traceparent: str | None
    failed_at: datetime
    replayed_at: datetime | None


_COLUMNS = ", ".join(DeadLetter.__slots__)
_WAITING = f"""
SELECT {_COLUMNS} FROM dead_letters
WHERE replayed_at IS NULL
ORDER BY failed_at, id
LIMIT %s
"""  # noqa: S608
_FIND = f"SELECT {_COLUMNS} FROM dead_letters WHERE id = %s"  # noqa: S608
_ADD = """
INSERT INTO dead_letters
    (task, queue, order_id, payload, attempt, traceparent, error_type, error)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_REPLAY = """
UPDATE dead_letters SET replayed_at = now()
WHERE id = %s AND replayed_at IS NULL
RETURNING task, order_id, payload, traceparent
"""


def add(conn: Connection[Any], row: OutboxRow, error_type: str, error: str) -> None:
    """Write the dead letter of an outbox row, with the reason of its failure."""
    values = (row.task, row.queue, row.order_id, Jsonb(row.payload), row.attempt)
    conn.execute(_ADD, (*values, row.trace.traceparent, error_type, error))


def count(conn: Connection[Any]) -> dict[str, int]:
    """Return the number of dead letters that wait for a person, by task."""
    rows = conn.execute(
        "SELECT task, count(*) FROM dead_letters WHERE replayed_at IS NULL GROUP BY task"
    )
    return {task: int(number) for task, number in rows}


def waiting(conn: Connection[Any], limit: int = 1000) -> list[DeadLetter]:
    """Return the dead letters that wait for a person, oldest first."""
    with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(_WAITING, (limit,)).fetchall()


def find(conn: Connection[Any], number: int) -> DeadLetter | None:
    """Return a dead letter, or None if there is none with this number."""
    with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(_FIND, (number,)).fetchone()


def replay(conn: Connection[Any], numbers: Iterable[int]) -> int:
    """Put waiting dead letters back into the outbox; return their number.

    Each keeps its trace and starts again at its first attempt. Replaying one twice does nothing.
    """
    replayed = 0
    for number in numbers:
        row = conn.execute(_REPLAY, (number,)).fetchone()
        if row:
            task, order_id, payload, traceparent = row
            trace = TraceContext(traceparent)
            outbox.add(conn, outbox.Message(order_id, task, payload, trace=trace))
            replayed += 1
    return replayed


def discard(conn: Connection[Any], number: int) -> int:
    """Delete a dead letter; return 1, or 0 if there was none."""
    return conn.execute("DELETE FROM dead_letters WHERE id = %s", (number,)).rowcount
