"""Answer LogQL from the store: lines with Loki's labels, and counts over time."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import orjson

from local.store.errors import BadQueryError
from local.store.queries import scan
from local.store.queries.deadline import bounded
from local.store.queries.line_filters import Line, labels_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from local.store.queries.line_filters import Labels
    from local.store.queries.logql import LogQuery, MetricQuery

# Source: stack configuration of Loki, `default_resource_attributes_as_index_labels`.
INDEX_LABELS = ("service_name", "service_namespace", "deployment_environment_name")
# Source: Loki's default `max_query_series`.
MOST_SERIES = 500
# Steps of all series together.
MOST_SAMPLES = 200_000


@bounded
def find_lines(
    connection: sqlite3.Connection, query: LogQuery, start_ns: int, end_ns: int, limit: int
) -> list[tuple[int, Labels, str]]:
    """Return the newest matching lines: time, labels with structured metadata, line.

    Raises:
        QueryTooLongError: It took too long to find them.
    """
    found = []
    for line in _matching(connection, query, start_ns, end_ns):
        found.append((line.row["time_ns"], line.labels, line.row["body"]))
        if len(found) >= limit:
            break
    return found


@bounded
def count_lines(
    connection: sqlite3.Connection, query: MetricQuery, start_ns: int, end_ns: int, step_ns: int
) -> list[tuple[Labels, list[tuple[int, float]]]]:
    """Return a series per group: the count, or the rate, of each step's window.

    Raises:
        QueryTooLongError: It took too long to count them.
        BadQueryError: There are too many series.
    """
    steps = range(start_ns, end_ns + 1, step_ns)
    # By how much the count of a step differs from the one before.
    changes: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for line in _matching(connection, query.logs, start_ns - query.window_ns + 1, end_ns + 1):
        time_ns = line.row["time_ns"]
        first = max(0, -(-(time_ns - start_ns) // step_ns))
        last = min(len(steps) - 1, (time_ns + query.window_ns - 1 - start_ns) // step_ns)
        if first > last:
            continue
        group = _group(line.labels, query.by)
        if group not in changes:
            _check(len(changes) + 1, len(steps))
            changes[group] = [0] * (len(steps) + 1)
        changes[group][first] += 1
        changes[group][last + 1] -= 1
    divisor = query.window_ns / 1e9 if query.per_second else 1.0
    return [
        (dict(group), [(at, count / divisor) for at, count in zip(steps, accumulate(one))])  # noqa: B905 - one change more than steps
        for group, one in changes.items()
    ]


@bounded
def label_values(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return the stored values of an index label."""
    if name == "service_name":
        rows = connection.execute("SELECT DISTINCT service FROM operations ORDER BY service")
        return [row[0] for row in rows]
    documents = connection.execute("SELECT document FROM resources")
    labels = [labels_of(orjson.loads(row[0])) for row in documents]
    return sorted({one[name] for one in labels if one.get(name)})


def _check(series: int, steps: int) -> None:
    if series > MOST_SERIES:
        raise BadQueryError(
            f"LogQL: more than {MOST_SERIES} series; group by fewer labels, as in sum by (…)"
        )
    if series * steps > MOST_SAMPLES:
        raise BadQueryError(
            f"LogQL: more than {MOST_SAMPLES} samples; choose a longer step or fewer series"
        )


def _group(labels: Labels, by: tuple[str, ...] | None) -> tuple[tuple[str, str], ...]:
    names = sorted(labels) if by is None else by
    return tuple((name, labels[name]) for name in names if name in labels)


def _matching(
    connection: sqlite3.Connection, query: LogQuery, start_ns: int, end_ns: int
) -> Iterator[Line]:
    resources = scan.Resources(connection)
    labels: dict[int, Labels] = {}
    for row in scan.newest_first(connection, scan.LOGS, query.condition, start_ns, end_ns):
        number = row["resource_id"]
        if number not in labels:
            labels[number] = labels_of(resources.read(number))
        line = Line(row, labels[number])
        if query.matches(line):
            yield line
