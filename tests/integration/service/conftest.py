"""The API on a real PostgreSQL and a real Redis; each test finds both empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import Telemetry
from service.app import create_app
from service.migrate import migrate
from service.settings import DatabaseSettings, RedisSettings, Settings
from tools.served_api import AWKWARD, migrate_settings
from tools.servers import Postgres, Redis, running_redis


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """A migrated database."""
    name = postgres.create_database()
    migrate(migrate_settings(postgres, name))
    return name


@pytest.fixture
def database(postgres: Postgres, migrated: str) -> Iterator[DatabaseSettings]:
    """The migrated database as the service sees it, emptied after each test."""
    yield DatabaseSettings(
        port=postgres.port, name=migrated, user="orders_service", password=AWKWARD
    )
    with postgres.connect(migrated) as conn:
        conn.execute("SET lock_timeout = '5s'")
        conn.execute(
            "TRUNCATE orders, idempotency_keys, payments, outbox, emails, dead_letters"
            " RESTART IDENTITY"
        )


@pytest.fixture(scope="session")
def cache_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with running_redis(tmp_path_factory.mktemp("cache"), password=AWKWARD) as server:
        yield server


@pytest.fixture
def cache_client(cache_server: Redis) -> Iterator[redis.Redis]:
    """A plain client of an empty cache."""
    with redis.Redis(port=cache_server.port, password=cache_server.password) as client:
        client.flushall()
        yield client


@pytest.fixture
def faults_file(tmp_path: Path) -> Path:
    return tmp_path / "faults.json"


@pytest.fixture
def settings(
    database: DatabaseSettings, cache_server: Redis, cache_client: redis.Redis, faults_file: Path
) -> Settings:
    return Settings(
        database=database,
        cache=RedisSettings(port=cache_server.port, password=cache_server.password or ""),
        faults_file=faults_file,
        telemetry=TelemetrySettings(sdk_disabled=True),
    )


@pytest.fixture
def make_app(settings: Settings) -> Iterator[Callable[..., Flask]]:
    """Make an app with changed settings; its pool is closed afterwards."""
    made: list[Flask] = []

    def make(telemetry: Telemetry | None = None, **changes: Any) -> Flask:
        app = create_app(replace(settings, **changes), telemetry)
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["orders"]["database"].close()
        app.extensions["orders"]["cache"].client.close()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sql(postgres: Postgres, database: DatabaseSettings) -> Iterator[psycopg.Connection]:
    """The superuser's look into the test's database."""
    with postgres.connect(database.name) as conn:
        yield conn


@pytest.fixture
def as_worker(database: DatabaseSettings) -> Iterator[psycopg.Connection]:
    """A connection with the worker's rights."""
    with psycopg.connect(
        host=database.host,
        port=database.port,
        dbname=database.name,
        user="orders_worker",
        password="worker",
    ) as conn:
        yield conn
