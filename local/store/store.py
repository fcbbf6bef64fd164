"""The store: put signals in, get connections for queries, collect the counters."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily

from local.store import retention, semconv
from local.store.metrics.series import Counter
from local.store.metrics.service_graph import ServiceGraph
from local.store.metrics.span_metrics import SpanMetrics
from local.store.schema import open_reader
from local.store.writer import Batch, Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from local.store.model import LogLine, Mail, Span
    from local.store.retention import Limits


class Store:
    """One SQLite file with spans, log lines and mails, and the metrics counted from them."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._readers = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._spans = Counter(semconv.SPANS_ACCEPTED, 200)
        self._lines = Counter(semconv.LOG_LINES_ACCEPTED, 200)
        self._rejected = Counter(semconv.REQUESTS_REJECTED)
        self._span_metrics = SpanMetrics()
        self._graph = ServiceGraph()
        self._writer = Writer(path, limits, self._count)
        self._start_known_series()

    def put_spans(self, spans: list[Span]) -> None:
        """Store spans; return once they are written. Raises the errors of `Writer.store`."""
        self._writer.store(Batch(spans=spans))

    def put_lines(self, lines: list[LogLine]) -> None:
        """Store log lines; return once they are written. Raises the errors of `Writer.store`."""
        self._writer.store(Batch(lines=lines))

    def put_mail(self, mail: Mail) -> None:
        """Store a mail; return once it is written. Raises the errors of `Writer.store`."""
        self._writer.store(Batch(mails=[mail]))

    def delete_mails(self) -> None:
        """Delete every mail; return once they are gone."""
        self._writer.store(Batch(delete_mails=True))

    def problem(self) -> str:
        """Return why nothing can be stored, empty if it can."""
        return self._writer.problem()

    def count_rejected(self, reason: str) -> None:
        """Count a request that was not stored."""
        with self._lock:
            self._rejected.add((reason,))

    def reader(self) -> sqlite3.Connection:
        """Return this thread's read-only connection."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._readers.connection = open_reader(self.path)
            with self._lock:
                self._opened.append(connection)
        return connection

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._writer.close()
        while self._opened:
            self._opened.pop().close()

    def collect(self) -> Iterator[Any]:
        """Yield every metric family; the store is a collector of a prometheus_client registry."""
        with self._lock:
            series = [self._spans, self._lines, self._rejected]
            families: list[Any] = [one.collect() for one in series]
            families += [one.collect() for one in self._span_metrics.series()]
            families += [one.collect() for one in self._graph.series()]
        yield from families
        yield from self._gauges()

    def _gauges(self) -> Iterator[GaugeMetricFamily]:
        connection = self.reader()
        size = semconv.STORE_SIZE
        yield GaugeMetricFamily(size.name, size.description, retention.used_bytes(connection))
        rows = GaugeMetricFamily(
            semconv.STORE_ROWS.name, semconv.STORE_ROWS.description, labels=[semconv.TABLE]
        )
        for table, count in row_counts(connection).items():
            rows.add_metric([table], count)
        yield rows
        oldest = connection.execute("SELECT min(start_ns) FROM spans").fetchone()[0]
        if oldest is not None:
            metric = semconv.STORE_OLDEST
            yield GaugeMetricFamily(metric.name, metric.description, oldest / 1e9)

    def _count(self, spans: list[Span], lines: list[LogLine]) -> None:
        now = time.monotonic()
        with self._lock:
            for span in spans:
                self._spans.add((span.service,))
                self._span_metrics.count(span)
                self._graph.count(span, now)
            for line in lines:
                self._lines.add((line.service,))
            self._graph.expire(now)

    def _start_known_series(self) -> None:
        for reason in semconv.REJECT_REASONS:
            self._rejected.add((reason,), 0)
        for row in self.reader().execute("SELECT DISTINCT service FROM operations"):
            self._spans.add((row[0],), 0)
            self._lines.add((row[0],), 0)


def row_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the approximate number of rows per table, without counting them."""
    query = " UNION ALL ".join(
        f"SELECT '{table}', coalesce((SELECT max(id) FROM {table})"  # noqa: S608 - own names
        f" - (SELECT min(id) FROM {table}) + 1, 0)"
        for table in semconv.TABLES
    )
    return dict(connection.execute(query).fetchall())
