"""Connections to PostgreSQL, single or pooled, each with timeouts.

Open a pool after the fork: two processes on one socket get each other's answers, and a pool's
threads do not survive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from observability.instrumentation.psycopg import InstrumentedPool

if TYPE_CHECKING:
    from psycopg.abc import PQGen

    from observability.instrumentation.telemetry import Telemetry
    from service.settings import DatabaseSettings

R = TypeVar("R")
Connections = ConnectionPool[psycopg.Connection[tuple[Any, ...]]]

CONNECT_TIMEOUT_SECONDS = 2
POOL_TIMEOUT_SECONDS = 1.0
# A pool doubles the delay between its attempts to reconnect. With a short limit the next request
# starts over, so the pool notices a returning database within seconds, not half a minute.
RECONNECT_TIMEOUT_SECONDS = 2.0
# Longer than the server's own timeouts, which a server that hangs does not apply.
ANSWER_TIMEOUT_SECONDS = 2.5
WAIT_INTERVAL = 0.1
SERVER_SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "2s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "10s",
}


class NoAnswerError(psycopg.OperationalError):
    """A server that took a statement and never answered."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that hangs, and is closed then."""

    def wait(
        self, gen: PQGen[R], interval: float = WAIT_INTERVAL, timeout: float | None = None
    ) -> R:
        """Wait for an answer until the caller's timeout, or else for ANSWER_TIMEOUT_SECONDS."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, ANSWER_TIMEOUT_SECONDS)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            raise NoAnswerError("the server does not answer") from error


def address(settings: DatabaseSettings, application_name: str) -> dict[str, Any]:
    """Return psycopg's keyword arguments that name the server and the role."""
    return {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.name,
        "user": settings.user,
        "password": settings.password,
        "application_name": application_name,
    }


def connection_arguments(settings: DatabaseSettings, application_name: str) -> dict[str, Any]:
    """Return psycopg's keyword arguments for one connection, timeouts included."""
    return {
        **address(settings, application_name),
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "options": " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items()),
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "tcp_user_timeout": 5000,
    }


def connect(
    settings: DatabaseSettings, application_name: str, **options: Any
) -> psycopg.Connection[Any]:
    """Return a single connection.

    Args:
        settings: Where the database is.
        application_name: The connection's name in PostgreSQL.
        options: More keyword arguments of `psycopg.connect`.

    Raises:
        psycopg.OperationalError: The server cannot be reached, or refuses.
    """
    return psycopg.connect(**connection_arguments(settings, application_name), **options)


def make_pool(
    settings: DatabaseSettings, telemetry: Telemetry, name: str, max_size: int
) -> Connections:
    """Return a pool that connects once it is opened, in the process that opens it.

    Args:
        settings: Where the database is.
        telemetry: Gets the spans and the pool's measures.
        name: Name of the pool in metrics, and of its connections in PostgreSQL.
        max_size: At most as many as threads use it; more only wait in the database instead.
    """
    return InstrumentedPool(
        telemetry=telemetry,
        pool_name=name,
        connection_class=BoundedConnection,
        kwargs=connection_arguments(settings, name),
        min_size=1,
        max_size=max_size,
        timeout=POOL_TIMEOUT_SECONDS,
        reconnect_timeout=RECONNECT_TIMEOUT_SECONDS,
        num_workers=1,
    )


def open_pool(
    settings: DatabaseSettings, telemetry: Telemetry, name: str, max_size: int
) -> Connections:
    """Return a pool that is connecting in the background; arguments as for `make_pool`."""
    pool = make_pool(settings, telemetry, name, max_size)
    pool.open()
    return pool
