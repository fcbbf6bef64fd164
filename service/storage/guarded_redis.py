"""Commands to a Redis whose absence must not delay anyone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import redis

from service.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class RedisPausedError(redis.RedisError):
    """A command that was not sent, since Redis failed a moment ago."""


class GuardedRedis:
    """Commands, none of which is sent for a moment after one failed.

    Args:
        purpose: What does not work while Redis is away, for the log.
    """

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._breaker = CircuitBreaker(PAUSE_SECONDS)

    def run(self, command: Callable[[], T]) -> T:
        """Return what a command answers.

        Raises:
            RedisPausedError: It was not sent.
            redis.RedisError: It failed; the next commands are not sent.
        """
        if not self._breaker.allows():
            raise RedisPausedError
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
        """Return what a command answers, or `otherwise` when it fails or is not sent."""
        try:
            return self.run(command)
        except redis.RedisError:
            return otherwise
