"""Ask a Redis that nobody may have to wait for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from observability.instrumentation.redis import instrument_redis
from service.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from observability.instrumentation.telemetry import Telemetry
    from service.settings import RedisSettings

T = TypeVar("T")

SOCKET_TIMEOUT_SECONDS = 0.1
PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class LeftAloneError(redis.RedisError):
    """Say that Redis was not asked, since it failed a moment ago."""


def connect(settings: RedisSettings, telemetry: Telemetry) -> redis.Redis:
    """Return a client that gives up soon and never tries twice; nothing is connected yet."""
    client = redis.Redis(
        host=settings.host,
        port=settings.port,
        password=settings.password or None,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return instrument_redis(client, telemetry)


class GuardedRedis:
    """Run commands one after the other, and none for a moment after one failed.

    Args:
        purpose: What does not work while Redis is away; stands in the log.
    """

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._breaker = CircuitBreaker(PAUSE_SECONDS)

    def run(self, command: Callable[[], T]) -> T:
        """Return what a command answers.

        Raises:
            LeftAloneError: It was not run.
            redis.RedisError: It failed; the next callers will not even try.
        """
        if not self._breaker.allows():
            raise LeftAloneError
        try:
            answer = command()
        except redis.RedisError as error:
            if self._breaker.failed():
                logger.warning("%s: Redis fails with %s", self._purpose, type(error).__name__)
            raise
        if self._breaker.succeeded():
            logger.info("%s: Redis is back", self._purpose)
        return answer

    def attempt(self, command: Callable[[], T], otherwise: T) -> T:
        """Return what a command answers, or `otherwise` when it cannot be run."""
        try:
            return self.run(command)
        except redis.RedisError:
            return otherwise
