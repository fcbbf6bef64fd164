"""Transactions on PostgreSQL, with a circuit breaker and one kind of error."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from service.circuit_breaker import CircuitBreaker
from service.errors import StoreUnavailableError
from service.storage.postgres import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service.storage.postgres import Connections

T = TypeVar("T")

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_SECONDS = 1.0
PAUSE_SECONDS = 0.5
# Much longer than a transaction takes, even on a busy machine.
LATE_SECONDS = 0.5
UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    PoolTimeout,
    TooManyRequests,
)


class Database:
    """Transactions on a pool; a failure to run one raises StoreUnavailableError.

    As many callers as the pool has connections may wait for an answer. One more does not wait
    behind transactions that are late: with one thread more than connections, a process whose
    database hangs still answers what needs no database.
    """

    def __init__(self, pool: Connections) -> None:
        self.pool = pool
        self._breaker = CircuitBreaker(PAUSE_SECONDS)
        self._connect_errors = 0
        self._owner = 0
        self._lock = threading.Lock()
        self._begun: dict[object, float] = {}

    def open(self) -> None:
        """Open the pool unless it is open; after a fork, only in the child that uses it.

        Raises:
            RuntimeError: It was opened before a fork, so another process shares its sockets.
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
            StoreUnavailableError: No connection, a lost one, or a timeout.
        """
        if self._owner != os.getpid():
            self.open()
        if not self._breaker.allows():
            raise StoreUnavailableError("it failed a moment ago")
        try:
            with self._begin() as patience, self.pool.connection(patience) as conn:
                yield conn
        except UNAVAILABLE as error:
            unreachable = self._note_failure(error)
            busy = isinstance(error, PoolTimeout) and not unreachable
            raise StoreUnavailableError(type(error).__name__, busy=busy) from error
        if self._breaker.succeeded():
            logger.info("the database is back")

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

    @contextmanager
    def _begin(self) -> Iterator[float | None]:
        """Yield how many seconds to wait for a connection; None is the pool's own timeout."""
        mark, now = object(), time.monotonic()
        with self._lock:
            is_full = len(self._begun) >= self.pool.max_size
            oldest = min(self._begun.values(), default=now)
            self._begun[mark] = now
        try:
            yield max(0.0, oldest + LATE_SECONDS - now) if is_full else None
        finally:
            with self._lock:
                del self._begun[mark]

    def _note_failure(self, error: Exception) -> bool:
        """Open the breaker if the server cannot be reached; a pool may just be busy."""
        errors = self.pool.get_stats().get("connections_errors", 0)
        silent = isinstance(error, PoolTimeout) and errors > self._connect_errors
        unreachable = silent or isinstance(error, NoAnswerError)
        self._connect_errors = errors
        if unreachable and self._breaker.failed():
            logger.warning("the database cannot be reached")
        return unreachable


def _lost(error: BaseException | None) -> bool:
    """Return whether the connection itself died, so that another one may work."""
    if isinstance(error, NoAnswerError):
        return False
    return isinstance(error, psycopg.OperationalError) and error.sqlstate in {
        None,
        "57P01",
        "57P02",
        "57P03",
    }
