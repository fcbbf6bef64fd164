"""Instrument psycopg 3: a span per statement below a request's or a task's, and a pool's metrics.

Connections are made of an instrumented class from the start, so it does not matter when a pool
opens; what a child or a `row_factory` asks for stays as it is.
"""

from __future__ import annotations

import re
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg
from opentelemetry.trace import get_current_span
from psycopg_pool import ConnectionPool, PoolTimeout

from . import semconv
from .spans import client_span

if TYPE_CHECKING:
    from .telemetry import Telemetry

_MAX_STATEMENT = 1000
_FACTORIES = ("cursor_factory", "server_cursor_factory")
_OPERATIONS = frozenset(
    [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "WITH",
        "MERGE",
        "COPY",
        "CALL",
        "LOCK",
        "LISTEN",
        "NOTIFY",
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "SET",
        "SHOW",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "RELEASE",
        "VALUES",
        "EXPLAIN",
        "VACUUM",
    ]
)
_table = re.compile(r"\b(?:from|into|update|table)\s+(?:only\s+)?([a-z_][\w.]*)", re.IGNORECASE)


@cache
def _described(statement: str) -> tuple[str, dict[str, Any]]:
    """Return span name and attributes of a statement; bounded by the statements in the code."""
    words = statement.split(None, 1)
    first = words[0].upper().rstrip(";") if words else ""
    operation = first if first in _OPERATIONS else semconv.OTHER
    found = _table.search(statement)
    attributes = {
        semconv.ATTR_DB_SYSTEM: "postgresql",
        semconv.ATTR_DB_OPERATION: operation,
        semconv.ATTR_DB_QUERY_TEXT: statement[:_MAX_STATEMENT],
    }
    if found is None:
        return operation, attributes
    table = found.group(1).lower()
    return f"{operation} {table}", {**attributes, semconv.ATTR_DB_COLLECTION: table}


def _describe(query: Any, connection: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(query, bytes):
        query = query.decode("utf-8", "replace")
    if not isinstance(query, str):
        # Composed at run time: its text may hold values, so only its kind is told.
        return "query", {semconv.ATTR_DB_SYSTEM: "postgresql"}
    name, attributes = _described(query) if len(query) < 4000 else _described.__wrapped__(query)
    return name, {**attributes, **_address(connection)}


def _address(connection: Any) -> dict[str, Any]:
    known: dict[str, Any] | None = connection.__dict__.get("_telemetry_address")
    if known is None:
        info = connection.info
        known = {
            semconv.ATTR_DB_NAMESPACE: info.dbname,
            semconv.ATTR_SERVER_ADDRESS: info.host,
            semconv.ATTR_SERVER_PORT: info.port,
        }
        connection.__dict__["_telemetry_address"] = known
    return known


@cache
def _traced_cursor_class(telemetry: Telemetry, base: type) -> type:
    class TracedCursor(base):  # type: ignore[misc]
        """A cursor whose statements make spans."""

        is_traced = True

        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            """Execute a statement inside a span."""
            if not get_current_span().is_recording():
                return super().execute(query, *args, **kwargs)
            name, attributes = _describe(query, self.connection)
            with client_span(telemetry, name, attributes):
                return super().execute(query, *args, **kwargs)

        def executemany(self, query: Any, params_seq: Any, **kwargs: Any) -> Any:
            """Execute a statement for many parameters inside one span."""
            if not get_current_span().is_recording():
                return super().executemany(query, params_seq, **kwargs)
            name, attributes = _describe(query, self.connection)
            with client_span(telemetry, name, attributes):
                return super().executemany(query, params_seq, **kwargs)

    return TracedCursor


@cache
def traced_connection_class(
    telemetry: Telemetry, base: type[psycopg.Connection[Any]] = psycopg.Connection
) -> type[psycopg.Connection[Any]]:
    """Return a connection class whose cursors make spans.

    Args:
        telemetry: Whose tracer makes them.
        base: The connection class to extend.
    """

    class TracedConnection(base):  # type: ignore[valid-type, misc]
        """A connection whose cursors make spans, whichever cursor class is asked for."""

        def __setattr__(self, name: str, value: Any) -> None:
            if name in _FACTORIES and not getattr(value, "is_traced", False):
                value = _traced_cursor_class(telemetry, value)
            super().__setattr__(name, value)

    return TracedConnection


class _PoolInstruments:
    def __init__(self, telemetry: Telemetry, pool: str) -> None:
        metrics = telemetry.metrics
        self.in_use = metrics.gauge(semconv.DB_POOL_IN_USE).labels(pool)
        self.most = metrics.gauge(semconv.DB_POOL_MAX).labels(pool)
        self.waiting = metrics.gauge(semconv.DB_POOL_WAITING).labels(pool)
        self.timeouts = metrics.counter(semconv.DB_POOL_TIMEOUTS).labels(pool)
        self.waits = metrics.histogram(semconv.DB_POOL_WAIT).labels(pool)


class InstrumentedPool(ConnectionPool[Any]):
    """A connection pool that tells its use, its waits and its time-outs.

    Args:
        conninfo: As psycopg takes it.
        telemetry: Whose instruments and tracer.
        pool_name: The `pool` label.
        options: Of `ConnectionPool`; it opens when told to, since a pool must not be forked.
    """

    def __init__(
        self, conninfo: str = "", *, telemetry: Telemetry, pool_name: str, **options: Any
    ) -> None:
        self._instruments = _PoolInstruments(telemetry, pool_name)
        options.setdefault("open", False)
        options.setdefault("name", pool_name)
        base = options.pop("connection_class", psycopg.Connection)
        options["connection_class"] = traced_connection_class(telemetry, base)
        super().__init__(conninfo, **options)

    def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        """Open the pool in this process."""
        super().open(wait=wait, timeout=timeout)
        self._instruments.most.set(self.max_size)

    def close(self, timeout: float = 5.0) -> None:
        """Close the pool; it counts as no capacity any more."""
        super().close(timeout)
        self._instruments.most.set(0)

    def getconn(self, timeout: float | None = None) -> Any:
        """Hand out a connection, and note how long that took."""
        started = time.perf_counter()
        self._instruments.waiting.inc()
        try:
            connection = super().getconn(timeout)
        except PoolTimeout:
            self._instruments.timeouts.inc()
            raise
        finally:
            self._instruments.waiting.dec()
            self._instruments.waits.observe(time.perf_counter() - started)
        self._instruments.in_use.inc()
        return connection

    def putconn(self, conn: Any) -> None:
        """Take a connection back."""
        try:
            super().putconn(conn)
        finally:
            self._instruments.in_use.dec()
