"""Reach PostgreSQL: one pool per process, bounded waits, one kind of error.

Open the pool after the fork: a socket that two processes share mixes up their answers, and a
pool's threads do not survive.
"""

from __future__ import annotations

import logging
import os
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from observability.instrumentation.psycopg import InstrumentedPool
from service.circuit_breaker import CircuitBreaker
from service.errors import StoreUnavailableError
from service.faults.switchboard import mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg.abc import PQGen

    from observability.instrumentation.telemetry import Telemetry
    from service.faults.switchboard import Faults, Switchboard
    from service.settings import DatabaseSettings

T = TypeVar("T")
R = TypeVar("R")
Connections = ConnectionPool[psycopg.Connection[tuple[Any, ...]]]

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 2
POOL_TIMEOUT_SECONDS = 1.0
CLOSE_TIMEOUT_SECONDS = 1.0
# A pool's retries double their delay; a short give-up keeps a database's return from being
# noticed half a minute late, since the next request starts a new try.
RECONNECT_TIMEOUT_SECONDS = 2.0
# A server that hangs does not run its own time-outs; a bit longer than those.
ANSWER_TIMEOUT_SECONDS = 2.5
WAIT_INTERVAL = 0.1
PAUSE_SECONDS = 0.5
SERVER_SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "2s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "10s",
}
UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    PoolTimeout,
    TooManyRequests,
)


class NoAnswerError(psycopg.OperationalError):
    """Say that the server took a question and never answered."""


class BoundedConnection(psycopg.Connection[Any]):
    """Be a connection that gives up on a server that hangs, and is closed then."""

    def wait(
        self, gen: PQGen[R], interval: float = WAIT_INTERVAL, timeout: float | None = None
    ) -> R:
        """Wait for an answer as long as the caller says, else no longer than any may take."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, ANSWER_TIMEOUT_SECONDS)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            raise NoAnswerError("the server does not answer") from error


def connection_arguments(settings: DatabaseSettings, application_name: str) -> dict[str, Any]:
    """Return psycopg's keyword arguments for one connection, time-outs included."""
    return {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.name,
        "user": settings.user,
        "password": settings.password,
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "options": " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items()),
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "tcp_user_timeout": 5000,
    }


def make_pool(
    settings: DatabaseSettings, telemetry: Telemetry, name: str, max_size: int
) -> Connections:
    """Return a pool that connects once it is opened, in the process that opens it.

    Args:
        settings: Where the database is.
        telemetry: Gets the spans and the pool's measures.
        name: Name of the pool in metrics, and of its connections in PostgreSQL.
        max_size: As many as threads use it at once; more only wait in the database instead.
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
    """Return a pool that is connecting in the background; arguments as `make_pool` has them."""
    pool = make_pool(settings, telemetry, name, max_size)
    pool.open()
    return pool


class Database:
    """Run transactions on a pool and say `StoreUnavailableError` when that cannot be done."""

    def __init__(self, pool: Connections, switchboard: Switchboard) -> None:
        self.pool = pool
        self._switchboard = switchboard
        self._breaker = CircuitBreaker(PAUSE_SECONDS)
        self._connect_errors = 0
        self._owner = 0

    def open(self) -> None:
        """Open the pool if it is not; after a fork only in the child that uses it.

        Raises:
            RuntimeError: It was opened before a fork, so its sockets are another process's too.
        """
        if self._owner not in {0, os.getpid()}:
            raise RuntimeError("the pool was opened before the fork")
        self._owner = os.getpid()
        self.pool.open()

    def close(self) -> None:
        """Close the pool of this process, if it has one."""
        if self._owner == os.getpid():
            self.pool.close(timeout=CLOSE_TIMEOUT_SECONDS)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Yield a connection; commit at the end, roll back on any error.

        Raises:
            StoreUnavailableError: No connection, a lost one, or a time-out.
        """
        if self._owner != os.getpid():
            self.open()
        if not self._breaker.allows():
            raise StoreUnavailableError("it failed a moment ago")
        try:
            with self.pool.connection() as conn:
                self._inject_faults(conn)
                yield conn
        except UNAVAILABLE as error:
            unreachable = self._note_failure(error)
            busy = isinstance(error, PoolTimeout) and not unreachable
            raise StoreUnavailableError(type(error).__name__, busy=busy) from error
        if self._breaker.succeeded():
            logger.info("the database is back")

    def faults(self) -> Faults:
        """Return which faults are on now."""
        return self._switchboard.now()

    def run(self, work: Callable[[psycopg.Connection[tuple[Any, ...]]], T]) -> T:
        """Run work in a transaction, twice if the connection was dead before the commit."""
        for last in (False, True):
            done = False
            try:
                with self.transaction() as conn:
                    result = work(conn)
                    done = True
            except StoreUnavailableError as error:
                if last or done or not _lost(error.__cause__):
                    raise
                self.pool.check()
            else:
                return result
        raise AssertionError

    def _note_failure(self, error: Exception) -> bool:
        """Close the door when the server cannot be reached; a pool that is only busy stays open."""
        errors = self.pool.get_stats().get("connections_errors", 0)
        silent = isinstance(error, PoolTimeout) and errors > self._connect_errors
        unreachable = silent or isinstance(error, NoAnswerError)
        self._connect_errors = errors
        if unreachable and self._breaker.failed():
            logger.warning("the database cannot be reached")
        return unreachable

    def _inject_faults(self, conn: psycopg.Connection[Any]) -> None:
        faults = self.faults()
        if faults.database_slow_seconds:
            mark("database_slow", faults.database_slow_seconds)
            conn.execute("SELECT pg_sleep(%s)", (faults.database_slow_seconds,))
        if faults.database_failing_ratio and random.random() < faults.database_failing_ratio:  # noqa: S311
            mark("database_failing", faults.database_failing_ratio)
            raise psycopg.OperationalError("fault database_failing")


def _lost(error: BaseException | None) -> bool:
    """Tell whether the connection itself died, so that another one may work."""
    if isinstance(error, NoAnswerError):
        return False
    return isinstance(error, psycopg.OperationalError) and error.sqlstate in {
        None,
        "57P01",
        "57P02",
        "57P03",
    }
