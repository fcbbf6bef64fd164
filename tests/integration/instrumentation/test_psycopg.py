"""A real PostgreSQL: the spans of statements and the metrics of a pool, SQLAlchemy's too."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from observability.instrumentation import semconv
from observability.instrumentation.psycopg import InstrumentedPool, traced_connection_class
from observability.instrumentation.sqlalchemy import instrument_sqlalchemy
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


@pytest.fixture(params=["psycopg2", "psycopg"])
def engine_of_driver(
    request: pytest.FixtureRequest, telemetry: RecordedTelemetry, postgres: Postgres
) -> Iterator[sqlalchemy.Engine]:
    """An engine of SQLAlchemy with a pool of at most two connections."""
    url = sqlalchemy.URL.create(
        f"postgresql+{request.param}",
        postgres.superuser,
        postgres.password,
        postgres.host,
        postgres.port,
        "postgres",
    )
    made = sqlalchemy.create_engine(url, pool_size=1, max_overflow=1, pool_timeout=0.3)
    yield instrument_sqlalchemy(instrument_sqlalchemy(made, telemetry, "shop"), telemetry, "shop")
    made.dispose()


def test_a_statement_of_sqlalchemy_is_one_client_span_without_values(
    engine_of_driver: sqlalchemy.Engine, telemetry: RecordedTelemetry
) -> None:
    query = sqlalchemy.text("SELECT * FROM pg_class WHERE relname = :name")
    with (
        telemetry.tracer.start_as_current_span("root") as root,
        engine_of_driver.connect() as connection,
    ):
        connection.execute(query, {"name": "a secret"})
    span = telemetry.span("SELECT postgres")
    assert span.kind.name == "CLIENT"
    assert span.parent.span_id == root.get_span_context().span_id
    assert span.attributes["db.system.name"] == "postgresql"
    assert span.attributes["db.query.text"].startswith("SELECT * FROM pg_class")
    assert "secret" not in str(dict(span.attributes))


def test_the_pool_of_sqlalchemy_has_the_metrics_of_a_pool(
    engine_of_driver: sqlalchemy.Engine, telemetry: RecordedTelemetry
) -> None:
    def value(metric: semconv.Metric) -> float:
        return telemetry.value(metric, pool="shop")

    for _ in range(2):
        assert value(semconv.DB_POOL_MAX) == 2
        with engine_of_driver.connect(), engine_of_driver.connect() as detached:
            assert value(semconv.DB_POOL_IN_USE) == 2
            timeouts = value(semconv.DB_POOL_TIMEOUTS)
            with pytest.raises(sqlalchemy.exc.TimeoutError):
                engine_of_driver.connect()
            assert value(semconv.DB_POOL_TIMEOUTS) == timeouts + 1
            detached.detach()
            assert value(semconv.DB_POOL_IN_USE) == 1
        assert value(semconv.DB_POOL_IN_USE) == 0
        assert value(semconv.DB_POOL_WAITING) == 0
        # A new pool takes the place of the old one.
        engine_of_driver.dispose()
    assert value(semconv.DB_POOL_WAIT) == 6


def test_a_child_process_opens_connections_of_its_own(engine_of_driver: sqlalchemy.Engine) -> None:
    def backend() -> int:
        with engine_of_driver.connect() as connection:
            return int(connection.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar_one())

    ours = backend()
    if (child := os.fork()) == 0:
        os._exit(0 if backend() != ours else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend() == ours


def test_an_engine_that_is_traced_already_makes_no_second_span(
    telemetry: RecordedTelemetry,
) -> None:
    first = sqlalchemy.create_engine("sqlite://")
    # Its list of supported versions ends below 2.1; it works all the same.
    SQLAlchemyInstrumentor().instrument(
        engine=first, tracer_provider=telemetry.provider, skip_dep_check=True
    )
    try:
        later = sqlalchemy.create_engine("sqlite://")
        for engine in (first, later):
            instrument_sqlalchemy(engine, telemetry, "shop")
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("SELECT 1"))
        assert [span.name for span in telemetry.spans if "SELECT" in span.name] == ["SELECT"] * 2
    finally:
        SQLAlchemyInstrumentor().uninstrument()
        first.dispose()
        later.dispose()
