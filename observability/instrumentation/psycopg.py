"""Instrument psycopg 3: a child span per statement, and the metrics of a connection pool.

Connections are created from an instrumented class, so that it does not matter when a pool opens,
and which cursor class or `row_factory` is asked for. Contrib's instrumentor misses custom cursors:
https://github.com/open-telemetry/opentelemetry-python-contrib/issues/578
"""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import psycopg
from opentelemetry.trace import get_current_span
from psycopg_pool import ConnectionPool, PoolTimeout

from . import semconv
from .metrics import PoolInstruments
from .spans import client_span

if TYPE_CHECKING:
    from .telemetry import Telemetry

_MAX_STATEMENT = 1000
_FACTORIES = ("cursor_factory", "server_cursor_factory")
_KEYWORDS = (
    "SELECT INSERT UPDATE DELETE WITH MERGE COPY CALL LOCK LISTEN NOTIFY CREATE ALTER DROP "
    "TRUNCATE SET SHOW BEGIN COMMIT ROLLBACK SAVEPOINT RELEASE VALUES EXPLAIN VACUUM"
)
_OPERATIONS = frozenset(_KEYWORDS.split())
_table = re.compile(r"\b(?:from|into|update|table)\s+(?:only\s+)?([a-z_][\w.]*)", re.IGNORECASE)


# Bounded: a program may write values into its statements.
@lru_cache(maxsize=1024)
def _described(statement: str) -> tuple[str, dict[str, Any]]:
    """Return the span name and attributes of a statement."""
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
        # Composed at run time: its text may contain values, and is left out.
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


def _statement_span(telemetry: Telemetry, query: Any, connection: Any) -> Any:
    if not get_current_span().is_recording():
        return nullcontext()
    return client_span(telemetry, *_describe(query, connection))


@cache
def _traced_cursor_class(telemetry: Telemetry, base: type) -> type:
    class TracedCursor(base):  # type: ignore[misc]
        """A cursor whose statements make spans."""

        is_traced = True

        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            """Execute a statement inside a span."""
            with _statement_span(telemetry, query, self.connection):
                return super().execute(query, *args, **kwargs)

        def executemany(self, query: Any, params_seq: Any, **kwargs: Any) -> Any:
            """Execute a statement for many parameters inside one span."""
            with _statement_span(telemetry, query, self.connection):
                return super().executemany(query, params_seq, **kwargs)

    return TracedCursor


@cache
def traced_connection_class(
    telemetry: Telemetry, base: type[psycopg.Connection[Any]] = psycopg.Connection
) -> type[psycopg.Connection[Any]]:
    """Return a connection class whose cursors make spans.

    Args:
        telemetry: Its tracer makes the spans.
        base: The connection class to extend.
    """

    class TracedConnection(base):  # type: ignore[valid-type, misc]
        """A connection whose cursors make spans, of any cursor class."""

        def __setattr__(self, name: str, value: Any) -> None:
            if name in _FACTORIES and not getattr(value, "is_traced", False):
                value = _traced_cursor_class(telemetry, value)
            super().__setattr__(name, value)

    return TracedConnection


class InstrumentedPool(ConnectionPool[Any]):
    """A connection pool with metrics of its use, its waits and its timeouts.

    Args:
        conninfo: A connection string, as for psycopg.
        telemetry: The telemetry of this process.
        pool_name: The `pool` label.
        options: Options of `ConnectionPool`; `open` is False by default, since a fork must not
            inherit an open pool.
    """

    def __init__(
        self, conninfo: str = "", *, telemetry: Telemetry, pool_name: str, **options: Any
    ) -> None:
        self._instruments = PoolInstruments(telemetry.metrics, pool_name)
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
        """Close the pool; its capacity is then 0."""
        super().close(timeout)
        self._instruments.most.set(0)

    def getconn(self, timeout: float | None = None) -> Any:
        """Return a connection, and observe how long that took."""
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
