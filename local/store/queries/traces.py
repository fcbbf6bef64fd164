"""Find traces, and read one with all its spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.store import rows
from local.store.errors import BadQueryError
from local.store.queries import scan
from local.store.queries.conditions import Conditions
from local.store.queries.deadline import bounded, check
from local.store.semconv import STATUS_NAMES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

MOST_SPANS = 5_000
MOST_SORTED = 100_000


@dataclass(frozen=True)
class TraceSearch:
    """The conditions on a span of a trace; an empty one matches every span.

    Args:
        min_ns: Minimum duration of the span.
        attributes: `key=value` or `key`, in the span's attributes.
        order: `newest` or `slowest`.
    """

    service: str = ""
    operation: str = ""
    status: str = ""
    min_ns: int | None = None
    max_ns: int | None = None
    attributes: tuple[str, ...] = ()
    text: str = ""
    start_ns: int | None = None
    end_ns: int | None = None
    order: str = "newest"
    limit: int = 20


def trace_id_of(text: str) -> str:
    """Return a trace id with all its 32 digits.

    Raises:
        BadQueryError: The text is not a hex number of at most 32 digits.
    """
    digits = text.strip().lower()
    if not 1 <= len(digits) <= 32 or not set(digits) <= set("0123456789abcdef"):
        raise BadQueryError(f"a trace id is up to 32 hex digits, not {text[:80]!r}")
    return digits.zfill(32)


@bounded
def read_trace(connection: sqlite3.Connection, trace_id: str) -> dict[str, Any] | None:
    """Return a trace with its spans in order of start, or None if it is unknown."""
    found = connection.execute(
        "SELECT * FROM spans WHERE trace_id = ? ORDER BY start_ns, id LIMIT ?",
        (trace_id, MOST_SPANS + 1),
    ).fetchall()
    if not found:
        return None
    resources = scan.Resources(connection)
    spans = [rows.read_span(row, resources.read(row["resource_id"])) for row in found[:MOST_SPANS]]
    start = min(span["start_ns"] for span in spans)
    return {
        "trace_id": trace_id,
        "start_ns": start,
        "duration_ns": max(span["start_ns"] + span["duration_ns"] for span in spans) - start,
        "services": list(dict.fromkeys(span["service"] for span in spans)),
        "errors": sum(span["status"] == "error" for span in spans),
        "spans": spans,
        "truncated": len(found) > MOST_SPANS,
    }


@bounded
def search_traces(connection: sqlite3.Connection, search: TraceSearch) -> list[dict[str, Any]]:
    """Return the traces with a matching span, newest or slowest first."""
    conditions = _conditions(search)
    origin, column = "spans", "start_ns"
    if search.order == "slowest":
        column = "duration_ns"
        # Of a long range, the slowest are found sooner than all of it is sorted.
        if _is_long(connection, search):
            origin = "spans INDEXED BY spans_duration"
    query = f"SELECT trace_id FROM {origin}{conditions.where()} ORDER BY {column} DESC"  # noqa: S608 - values are bound
    found = connection.execute(query, conditions.values)
    matched: dict[str, int] = {}
    for (trace_id,) in found:
        check()
        if trace_id not in matched and len(matched) >= search.limit:
            break
        matched[trace_id] = matched.get(trace_id, 0) + 1
    found_traces = {one["trace_id"]: one for one in summaries(connection, matched)}
    return [
        found_traces[trace_id] | {"matched": count}
        for trace_id, count in matched.items()
        if trace_id in found_traces
    ]


def _is_long(connection: sqlite3.Connection, search: TraceSearch) -> bool:
    """Return whether more than MOST_SORTED spans started in the time range."""
    conditions = Conditions()
    conditions.between("start_ns", search.start_ns, search.end_ns)
    spans = f"SELECT 1 FROM spans INDEXED BY spans_start{conditions.where()} LIMIT ?"  # noqa: S608 - values are bound
    query = f"SELECT count(*) FROM ({spans})"  # noqa: S608 - values are bound
    counted = connection.execute(query, [*conditions.values, MOST_SORTED + 1]).fetchone()[0]
    return bool(counted > MOST_SORTED)


def _conditions(search: TraceSearch) -> Conditions:
    conditions = Conditions()
    if search.service:
        conditions.add("service = ?", search.service)
    if search.operation:
        conditions.add("name = ?", search.operation)
    if search.status:
        conditions.add(*_status(search.status))
    if search.min_ns is not None:
        conditions.add("duration_ns >= ?", search.min_ns)
    if search.max_ns is not None:
        conditions.add("duration_ns <= ?", search.max_ns)
    for attribute in search.attributes:
        conditions.attribute("spans", attribute)
    if search.text:
        conditions.contains("(name || ' ' || status_message || ' ' || attributes)", search.text)
    if not conditions.parts:
        conditions.add("parent_id = ''")
    conditions.between("start_ns", search.start_ns, search.end_ns)
    return conditions


def _status(status: str) -> tuple[str, ...]:
    if status not in STATUS_NAMES:
        raise BadQueryError(f"status: expected one of {', '.join(STATUS_NAMES)}, not {status!r}")
    # Written out, not bound: the partial index on errors applies only then.
    return (f"status = {STATUS_NAMES.index(status)}",)


def summaries(connection: sqlite3.Connection, trace_ids: Iterable[str]) -> Iterable[dict[str, Any]]:
    """Yield the summary of each trace: root, duration, spans, errors, services."""
    for trace_id in trace_ids:
        check()
        row = connection.execute(
            "SELECT min(start_ns) AS start, max(start_ns + duration_ns) AS stop,"
            " count(*) AS spans, sum(status = 2) AS errors FROM spans WHERE trace_id = ?",
            (trace_id,),
        ).fetchone()
        root = connection.execute(
            "SELECT service, name FROM spans WHERE trace_id = ?"
            " ORDER BY parent_id <> '', start_ns LIMIT 1",
            (trace_id,),
        ).fetchone()
        services = connection.execute(
            "SELECT service FROM spans WHERE trace_id = ? GROUP BY service ORDER BY min(start_ns)",
            (trace_id,),
        )
        if root:
            yield {
                "trace_id": trace_id,
                "root_service": root["service"],
                "root_name": root["name"],
                "start_ns": row["start"],
                "duration_ns": row["stop"] - row["start"],
                "spans": row["spans"],
                "errors": row["errors"],
                "services": [one[0] for one in services],
            }


@bounded
def services(connection: sqlite3.Connection) -> list[str]:
    """Return the services that sent spans or lines, by name."""
    found = connection.execute("SELECT DISTINCT service FROM operations ORDER BY service")
    return [row[0] for row in found]


@bounded
def operations(connection: sqlite3.Connection, service: str) -> list[str]:
    """Return the span names of a service, or of all services if it is empty."""
    found = connection.execute(
        "SELECT DISTINCT name FROM operations WHERE name <> '' AND (? = '' OR service = ?)"
        " ORDER BY name LIMIT 500",
        (service, service),
    )
    return [row[0] for row in found]
