"""A real PostgreSQL: the spans of statements and the metrics of a pool."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from observability.instrumentation import semconv
from observability.instrumentation.psycopg import InstrumentedPool, traced_connection_class
from observability.instrumentation.testing import RecordedTelemetry
from tools.servers import Postgres, wait_until


@pytest.fixture
def options(postgres: Postgres) -> dict[str, Any]:
    return {
        "host": postgres.host,
        "port": postgres.port,
        "user": postgres.superuser,
        "password": postgres.password,
        "dbname": "postgres",
    }


@pytest.fixture
def pool(telemetry: RecordedTelemetry, options: dict[str, Any]) -> Iterator[InstrumentedPool]:
    made = InstrumentedPool(
        telemetry=telemetry, pool_name="orders", kwargs=options, min_size=1, max_size=2, timeout=0.3
    )
    made.open(wait=True)
    yield made
    made.close()


def test_a_statement_in_a_request_is_a_span_with_its_text_but_no_values(
    pool: InstrumentedPool, telemetry: RecordedTelemetry
) -> None:
    with telemetry.tracer.start_as_current_span("root"), pool.connection() as connection:
        connection.execute("SELECT * FROM pg_class WHERE relname = %s", ["a secret"])
    span = telemetry.span("SELECT pg_class")
    assert span.kind.name == "CLIENT"
    assert span.attributes["db.system.name"] == "postgresql"
    assert span.attributes["db.query.text"] == "SELECT * FROM pg_class WHERE relname = %s"
    assert span.attributes["db.namespace"] == "postgres"
    assert "secret" not in str(dict(span.attributes))


def test_a_statement_without_a_current_span_makes_none(
    pool: InstrumentedPool, telemetry: RecordedTelemetry
) -> None:
    with pool.connection() as connection:
        connection.execute("SELECT 1")
    assert telemetry.spans == []


def test_row_factories_and_cursor_classes_keep_their_spans(
    telemetry: RecordedTelemetry, options: dict[str, Any]
) -> None:
    class OwnCursor(psycopg.Cursor[Any]):
        pass

    made = traced_connection_class(telemetry)
    with (
        telemetry.tracer.start_as_current_span("root"),
        made.connect(**options, row_factory=dict_row, cursor_factory=OwnCursor) as connection,
    ):
        cursor = connection.execute("SELECT 1 AS one")
        assert isinstance(cursor, OwnCursor)
        assert cursor.fetchone() == {"one": 1}
        with connection.cursor("by name") as server_side:
            server_side.execute("SELECT 2 AS two")
            assert server_side.fetchall() == [{"two": 2}]
        connection.cursor().executemany("SELECT %s", [[1], [2]])
    names = [span.name for span in telemetry.spans]
    assert names == ["SELECT", "SELECT", "SELECT", "root"]


def test_a_composed_statement_is_recorded_without_its_text(
    pool: InstrumentedPool, telemetry: RecordedTelemetry
) -> None:
    statement = sql.SQL("SELECT {}").format(sql.Literal("a secret"))
    with telemetry.tracer.start_as_current_span("root"), pool.connection() as connection:
        connection.execute(statement)
    assert "secret" not in str(dict(telemetry.span("query").attributes))


def test_a_failing_statement_is_an_error_in_its_span(
    pool: InstrumentedPool, telemetry: RecordedTelemetry
) -> None:
    with (
        telemetry.tracer.start_as_current_span("root"),
        pytest.raises(psycopg.errors.UndefinedTable),
        pool.connection() as connection,
    ):
        connection.execute("SELECT * FROM nowhere")
    span = telemetry.span("SELECT nowhere")
    assert span.attributes["error.type"] == "UndefinedTable"
    assert span.status.status_code.name == "ERROR"


def test_a_pool_counts_its_use_its_waits_and_its_timeouts(
    pool: InstrumentedPool, telemetry: RecordedTelemetry
) -> None:
    def value(metric: semconv.Metric) -> float:
        return telemetry.value(metric, pool="orders")

    assert value(semconv.DB_POOL_MAX) == 2
    assert value(semconv.DB_POOL_TIMEOUTS) == 0
    release = threading.Event()

    def hold() -> None:
        with pool.connection():
            release.wait(20)

    with ThreadPoolExecutor(3) as threads:
        holders = [threads.submit(hold) for _ in range(2)]
        wait_until(lambda: value(semconv.DB_POOL_IN_USE) == 2)
        late = threads.submit(pool.getconn)
        wait_until(lambda: value(semconv.DB_POOL_WAITING) == 1)
        with pytest.raises(PoolTimeout):
            late.result()
        release.set()
        for holder in holders:
            holder.result()
    assert value(semconv.DB_POOL_TIMEOUTS) == 1
    assert value(semconv.DB_POOL_WAIT) == 3
    assert value(semconv.DB_POOL_WAITING) == 0
    assert value(semconv.DB_POOL_IN_USE) == 0


def test_a_pool_stays_closed_until_it_is_opened_after_a_fork(
    telemetry: RecordedTelemetry, options: dict[str, Any]
) -> None:
    made = InstrumentedPool(telemetry=telemetry, pool_name="closed", kwargs=options)
    assert made.closed
    assert not [t for t in threading.enumerate() if t.name.startswith("closed")]
