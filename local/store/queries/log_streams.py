"""Answer LogQL from the store: lines with Loki's labels, and counts over time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from local.store.queries.conditions import Conditions
from local.store.rows import level_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from local.store.queries.logql import Labels, LogQuery, MetricQuery

# Rows that one query reads; a dashboard of a developer's day needs far fewer.
MOST_ROWS = 200_000
# Source: stack configuration of Loki, `default_resource_attributes_as_index_labels`.
INDEX_LABELS = ("service_name", "service_namespace", "deployment_environment_name")
_NOT_A_NAME = re.compile(r"\W")


def find_lines(
    connection: sqlite3.Connection, query: LogQuery, start_ns: int, end_ns: int, limit: int
) -> list[tuple[int, Labels, str]]:
    """Return the newest matching lines: time, labels with structured metadata, line."""
    found = []
    for time_ns, labels, line in _lines(connection, query, start_ns, end_ns):
        if query.matches(labels, line):
            found.append((time_ns, labels, line))
            if len(found) >= limit:
                break
    return found


def count_lines(
    connection: sqlite3.Connection, query: MetricQuery, start_ns: int, end_ns: int, step_ns: int
) -> list[tuple[Labels, list[tuple[int, float]]]]:
    """Return a series per group: the count, or the rate, of each step's window."""
    steps = range(start_ns, end_ns + 1, step_ns)
    series: dict[tuple[tuple[str, str], ...], list[float]] = {}
    divisor = query.window_ns / 1e9 if query.per_second else 1.0
    for time_ns, labels, line in _lines(connection, query.logs, start_ns - query.window_ns, end_ns):
        if not query.logs.matches(labels, line):
            continue
        values = series.setdefault(_group(labels, query.by), [0.0] * len(steps))
        first = max(0, -(-(time_ns - start_ns) // step_ns))
        last = min(len(steps) - 1, (time_ns + query.window_ns - 1 - start_ns) // step_ns)
        for index in range(first, last + 1):
            values[index] += 1 / divisor
    return [
        (dict(group), list(zip(steps, values, strict=True))) for group, values in series.items()
    ]


def label_values(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return the stored values of an index label."""
    if name == "service_name":
        rows = connection.execute("SELECT DISTINCT service FROM operations ORDER BY service")
        return [row[0] for row in rows]
    documents = connection.execute("SELECT document FROM resources")
    labels = [_labels_of(orjson.loads(row[0])) for row in documents]
    return sorted({one[name] for one in labels if one.get(name)})


def _group(labels: Labels, by: tuple[str, ...] | None) -> tuple[tuple[str, str], ...]:
    names = sorted(labels) if by is None else by
    return tuple((name, labels[name]) for name in names if name in labels)


def _lines(
    connection: sqlite3.Connection, query: LogQuery, start_ns: int, end_ns: int
) -> Iterator[tuple[int, Labels, str]]:
    conditions = Conditions()
    if "service_name" in query.equal:
        conditions.add("service = ?", query.equal["service_name"])
    if query.equal.get("trace_id"):
        conditions.add("trace_id = ? AND trace_id <> ''", query.equal["trace_id"])
    conditions.between("time_ns", start_ns, end_ns)
    rows = connection.execute(
        "SELECT logs.*, resources.document AS resource FROM logs"  # noqa: S608 - values are bound
        " JOIN resources ON resources.id = resource_id"
        f"{conditions.where()} ORDER BY time_ns DESC LIMIT {MOST_ROWS}",
        conditions.values,
    )
    resources: dict[int, Labels] = {}
    for row in rows:
        resource = resources.get(row["resource_id"])
        if resource is None:
            resource = _labels_of(orjson.loads(row["resource"]))
            resources[row["resource_id"]] = resource
        yield row["time_ns"], _labels(row, resource), row["body"]


def _labels(row: sqlite3.Row, resource: Labels) -> Labels:
    labels = _labels_of(orjson.loads(row["attributes"])) | resource
    level = level_of(row["severity"])
    labels["detected_level"] = level
    labels["severity_text"] = row["severity_text"] or level.upper()
    # Source: Loki 3.7, "Ingesting logs using OTLP": what becomes structured metadata.
    for name in ("scope_name", "scope_version", "event_name"):
        if row[name]:
            labels[name] = row[name]
    if row["trace_id"]:
        labels["trace_id"], labels["span_id"] = row["trace_id"], row["span_id"]
    return labels


def _labels_of(attributes: dict[str, Any]) -> Labels:
    return {
        _NOT_A_NAME.sub("_", key): value if isinstance(value, str) else orjson.dumps(value).decode()
        for key, value in attributes.items()
    }
