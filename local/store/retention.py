"""Delete rows that are too old or too many; SQLite reuses the freed pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

ROWS_PER_STEP = 5_000
STEPS_PER_ROUND = 20
MOST_OPERATIONS = 2_000
_TIMES = {"spans": "start_ns", "logs": "time_ns", "mails": "received_ns"}


@dataclass(frozen=True)
class Limits:
    """The limits of the store.

    Args:
        max_age: Older rows are deleted.
        max_bytes: Size of the pages in use; beyond it the oldest rows are deleted first.
    """

    max_age: timedelta = timedelta(hours=48)
    max_bytes: int = 512 * 1024 * 1024


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the pages in use, in bytes."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def enforce(connection: sqlite3.Connection, limits: Limits, *, now_ns: int) -> int:
    """Delete rows beyond the limits, in a bounded number of steps.

    Returns:
        Number of rows deleted, of every table.
    """
    oldest_ns = now_ns - int(limits.max_age.total_seconds() * 1e9)
    deleted = _delete_unused(connection, oldest_ns)
    for _ in range(STEPS_PER_ROUND):
        step = _delete_old(connection, oldest_ns)
        if not step and used_bytes(connection) > limits.max_bytes:
            step = _delete_first(connection)
        if not step:
            break
        deleted += step + _delete_unused(connection, oldest_ns)
    return deleted


def _delete_old(connection: sqlite3.Connection, oldest_ns: int) -> int:
    return sum(
        connection.execute(
            f"DELETE FROM {table} WHERE id IN"  # noqa: S608 - both names are this module's
            f" (SELECT id FROM {table} WHERE {column} < ? ORDER BY {column} LIMIT ?)",
            (oldest_ns, ROWS_PER_STEP),
        ).rowcount
        for table, column in _TIMES.items()
    )


def _delete_first(connection: sqlite3.Connection) -> int:
    return sum(
        connection.execute(
            f"DELETE FROM {table} WHERE id <="  # noqa: S608 - the name is this module's
            f" (SELECT min(id) + min(?, (max(id) - min(id)) / 10) FROM {table})",
            (ROWS_PER_STEP,),
        ).rowcount
        for table in _TIMES
    )


def _delete_unused(connection: sqlite3.Connection, oldest_ns: int) -> int:
    """Delete resources without a row, and operations that are old or too many."""
    resources = connection.execute(
        "DELETE FROM resources WHERE"
        " NOT EXISTS (SELECT 1 FROM spans WHERE resource_id = resources.id)"
        " AND NOT EXISTS (SELECT 1 FROM logs WHERE resource_id = resources.id)"
    )
    operations = connection.execute(
        "DELETE FROM operations WHERE seen_ns < ? OR seen_ns <="
        " (SELECT seen_ns FROM operations ORDER BY seen_ns DESC LIMIT 1 OFFSET ?)",
        (oldest_ns, MOST_OPERATIONS),
    )
    return resources.rowcount + operations.rowcount
