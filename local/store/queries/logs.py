"""Find log lines, and count them over time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from local.store import rows
from local.store.errors import BadQueryError
from local.store.queries.conditions import Conditions
from local.store.queries.deadline import bounded
from local.store.queries.line_filters import MOST_TEMPLATES
from local.store.queries.scan import FEW_ROWS, Resources
from local.store.semconv import LEVELS
from local.store.words import MOST_WORDS, constant_part, template_words

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True)
class LogSearch:
    """The conditions of a log search; an empty one matches every line.

    Args:
        level: The lowest level.
        after: Only lines stored after this id, oldest first; for a live tail.
        attributes: `key=value` or `key`.
    """

    services: tuple[str, ...] = ()
    level: str = ""
    text: tuple[str, ...] = ()
    trace_id: str = ""
    span_id: str = ""
    attributes: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    after: int | None = None
    limit: int = 200


@bounded
def search_logs(connection: sqlite3.Connection, search: LogSearch) -> list[dict[str, Any]]:
    """Return the matching lines, newest first; those after an id, oldest first."""
    conditions = _conditions(connection, search)
    order = "time_ns DESC, logs.id DESC"
    if search.after is not None:
        conditions.add("logs.id > ?", search.after)
        order = "logs.id"
    found = connection.execute(
        f"SELECT * FROM logs{conditions.where()} ORDER BY {order} LIMIT ?",  # noqa: S608 - values are bound
        [*conditions.values, search.limit],
    )
    resources = Resources(connection)
    return [rows.read_log(row, resources.read(row["resource_id"])) for row in found]


@bounded
def count_logs(
    connection: sqlite3.Connection, search: LogSearch, *, step_ns: int
) -> list[dict[str, Any]]:
    """Return the number of matching lines per step of time and level.

    Returns:
        Items with `time_ns` (start of the step), `level` and `count`, by time.
    """
    conditions = _conditions(connection, replace(search, after=None))
    levels = " ".join(
        f"WHEN severity >= {number} THEN '{word}'"
        for word, number in sorted(LEVELS.items(), key=lambda item: -item[1])
    )
    found = connection.execute(
        f"SELECT time_ns / ? * ? AS step, CASE WHEN severity = 0 THEN 'info' {levels} END AS level,"  # noqa: S608 - values are bound
        f" count(*) AS lines FROM logs{conditions.where()} GROUP BY step, level ORDER BY step",
        [step_ns, step_ns, *conditions.values],
    )
    return [{"time_ns": row["step"], "level": row["level"], "count": row["lines"]} for row in found]


@bounded
def last_id(connection: sqlite3.Connection) -> int:
    """Return the id of the newest line, 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM logs").fetchone()[0])


def _conditions(connection: sqlite3.Connection, search: LogSearch) -> Conditions:
    conditions = Conditions()
    if search.trace_id:
        # Repeating the condition of the partial index lets SQLite use it.
        conditions.add("trace_id = ? AND trace_id <> ''", search.trace_id)
    if search.span_id:
        conditions.add("span_id = ?", search.span_id)
    if len(search.services) == 1:
        conditions.add("service = ?", search.services[0])
    elif search.services:
        marks = ", ".join("?" * len(search.services))
        conditions.add(f"+service IN ({marks})", *search.services)
    if search.level:
        conditions.add(_level(search.level))
    for text in search.text:
        conditions.contains("body", text)
        _narrow(connection, conditions, text)
    for attribute in search.attributes:
        conditions.attribute("logs", attribute)
    conditions.between("time_ns", search.start_ns, search.end_ns)
    return conditions


def _narrow(connection: sqlite3.Connection, conditions: Conditions, text: str) -> None:
    """Add the ids of the lines that can contain a text, if they are few."""
    part = constant_part(text)
    words = template_words(connection, part, MOST_TEMPLATES) if part else None
    if words is None:
        return
    origin = f"FROM logs_words WHERE word IN ({', '.join('?' * len(words))})"
    limited = f"SELECT count(*) FROM (SELECT 1 {origin} LIMIT {FEW_ROWS + 1})"  # noqa: S608 - values are bound
    if connection.execute(limited, words).fetchone()[0] <= FEW_ROWS:
        conditions.add(f"id IN (SELECT id / {MOST_WORDS} {origin})", *words)


def _level(level: str) -> str:
    number = LEVELS.get(level.lower())
    if number is None:
        raise BadQueryError(f"level: expected one of {', '.join(LEVELS)}, not {level!r}")
    # Severity 0, unknown, counts as info. Above, a plain bound lets the partial index apply.
    return (
        f"severity >= {number}"
        if number > LEVELS["info"]
        else f"(severity = 0 OR severity >= {number})"
    )
