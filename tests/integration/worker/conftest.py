"""The worker on a real PostgreSQL and a real Redis; each test has its own empty database."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from observability.instrumentation.settings import TelemetrySettings
from service.migrate import migrate
from service.settings import DatabaseSettings, MigrateSettings
from tools.servers import Postgres

# What URLs, shells and SQL treat specially.
AWKWARD = "p@ss:w/o?r#d %20%s $$x \"q\" 'a' \\b ;&|é"


@pytest.fixture(scope="session")
def worker_template(postgres: Postgres) -> str:
    """A migrated database that tests copy."""
    name = postgres.create_database()
    superuser = DatabaseSettings(
        port=postgres.port, name=name, user=postgres.superuser, password=postgres.password
    )
    migrate(
        MigrateSettings(
            database=superuser,
            service_password="service",
            worker_password=AWKWARD,
            exporter_password="exporter",
            telemetry=TelemetrySettings(),
        )
    )
    return name


@pytest.fixture
def database(postgres: Postgres, worker_template: str) -> Iterator[DatabaseSettings]:
    """An empty, migrated database of the test's own, as the worker sees it."""
    name = postgres.create_database()
    with postgres.connect() as conn:
        conn.execute(f'DROP DATABASE "{name}"')
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{worker_template}"')
        conn.execute(f'GRANT CONNECT ON DATABASE "{name}" TO orders_service, orders_worker')
        # Other rooms' tests set their own passwords on the same server.
        conn.execute(psycopg.sql.SQL("ALTER ROLE orders_worker PASSWORD {}").format(AWKWARD))
    yield DatabaseSettings(port=postgres.port, name=name, user="orders_worker", password=AWKWARD)
    with postgres.connect() as conn:
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def sql(postgres: Postgres, database: DatabaseSettings) -> Iterator[psycopg.Connection]:
    """The superuser's look into the test's database."""
    with postgres.connect(database.name) as conn:
        yield conn
