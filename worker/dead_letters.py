"""Look at tasks that failed for good, and let them run again.

python -m worker.dead_letters list            waiting ones, oldest first
python -m worker.dead_letters show ID         everything about one
python -m worker.dead_letters replay ID|all   put it into the outbox again, as a first attempt
python -m worker.dead_letters discard ID      it will never be needed
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from observability.instrumentation.propagation import TraceContext
from service.storage import outbox
from service.storage.database import connection_arguments
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

COLUMNS = (
    "id, task, queue, order_id, payload, attempt, error_type, error, traceparent,"
    " failed_at, replayed_at"
)
USAGE = (
    "usage: python -m worker.dead_letters"
    " list | show ID | replay ID|all | discard ID | poison [discard]\n"
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Hold a task that failed for good.

    Args:
        attempt: The attempt that was the last.
        traceparent: Trace context of the request that caused it.
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


def count(conn: Connection[Any]) -> dict[str, int]:
    """Return how many wait for a person, by task."""
    rows = conn.execute(
        "SELECT task, count(*) FROM dead_letters WHERE replayed_at IS NULL GROUP BY task"
    )
    return {task: int(number) for task, number in rows}


def waiting(conn: Connection[Any], limit: int = 1000) -> list[DeadLetter]:
    """Return those that wait for a person, oldest first."""
    query = f"SELECT {COLUMNS} FROM dead_letters WHERE replayed_at IS NULL"  # noqa: S608
    with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(f"{query} ORDER BY failed_at, id LIMIT %s", (limit,)).fetchall()


def find(conn: Connection[Any], number: int) -> DeadLetter | None:
    """Return one, or None."""
    query = f"SELECT {COLUMNS} FROM dead_letters WHERE id = %s"  # noqa: S608
    with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(query, (number,)).fetchone()


def replay(conn: Connection[Any], numbers: Iterable[int]) -> int:
    """Put those that wait back into the outbox; return how many there were.

    Each keeps its trace, and counts as a first attempt. Replaying one twice does nothing.
    """
    replayed = 0
    for number in numbers:
        row = conn.execute(
            "UPDATE dead_letters SET replayed_at = now() WHERE id = %s AND replayed_at IS NULL"
            " RETURNING task, order_id, payload, traceparent",
            (number,),
        ).fetchone()
        if row:
            task, order_id, payload, traceparent = row
            trace = TraceContext(traceparent)
            outbox.add(conn, outbox.Message(order_id, task, payload, trace=trace))
            replayed += 1
    return replayed


def discard(conn: Connection[Any], number: int) -> int:
    """Forget one; return how many there were."""
    return conn.execute("DELETE FROM dead_letters WHERE id = %s", (number,)).rowcount


def poison(conn: Connection[Any], limit: int = 1000) -> list[str]:
    """Return a line for each outbox row that was set aside, oldest first."""
    rows = conn.execute(
        "SELECT id, poisoned_at, task, order_id, last_error FROM outbox"
        " WHERE poisoned_at IS NOT NULL ORDER BY id LIMIT %s",
        (limit,),
    )
    return [
        f"{number:>6}  {when:%Y-%m-%d %H:%M:%S}  {task:<17}  order {order_id}  {error}"
        for number, when, task, order_id, error in rows
    ]


def discard_poison(conn: Connection[Any]) -> int:
    """Forget the outbox rows that were set aside; return how many there were."""
    return conn.execute("DELETE FROM outbox WHERE poisoned_at IS NOT NULL").rowcount


def main(arguments: list[str], conn: Connection[Any], out: TextIO) -> int:
    """Run the command.

    Returns:
        Exit code: 0, 1 when there is no such dead letter, 2 when the words make no sense.
    """
    try:
        text = _run(arguments, conn)
    except ValueError:
        sys.stderr.write(USAGE)
        return 2
    if text is None:
        sys.stderr.write("there is no such dead letter that waits; see list\n")
        return 1
    out.write(text)
    return 0


def _run(arguments: list[str], conn: Connection[Any]) -> str | None:
    """Return what the command says, or None when there is no such dead letter."""
    match arguments:
        case ["list"]:
            return "".join(_line(letter) + "\n" for letter in waiting(conn))
        case ["replay", "all"]:
            return f"{replay(conn, [letter.id for letter in waiting(conn)])} replayed\n"
        case ["poison"]:
            return "".join(f"{line}\n" for line in poison(conn))
        case ["poison", "discard"]:
            return f"{discard_poison(conn)} discarded\n"
        case [word, number] if number.isdecimal():
            return _run_on_one(word, int(number), conn)
    raise ValueError(arguments)


def _run_on_one(word: str, number: int, conn: Connection[Any]) -> str | None:
    if word == "replay":
        return "1 replayed\n" if replay(conn, [number]) else None
    if word == "discard":
        return "1 discarded\n" if discard(conn, number) else None
    if word == "show":
        letter = find(conn, number)
        return json.dumps(asdict(letter), default=str, indent=2) + "\n" if letter else None
    raise ValueError(word)


def _line(letter: DeadLetter) -> str:
    return (
        f"{letter.id:>6}  {letter.failed_at:%Y-%m-%d %H:%M:%S}  {letter.task:<17}"
        f"  order {letter.order_id}  attempt {letter.attempt}  {letter.error}"
    )


if __name__ == "__main__":
    settings = WorkerSettings.from_env_or_exit()
    with psycopg.connect(**connection_arguments(settings.database, "dead-letters")) as connection:
        code = main(sys.argv[1:], connection, sys.stdout)
    sys.exit(code)
