"""Redis commands that do not delay their caller while Redis is down."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import redis

from service.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PAUSE_SECONDS = 1.0
FOLLOWER_PATIENCE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class RedisPausedError(redis.RedisError):
    """A command that was not sent, since Redis failed a moment ago."""


class GuardedRedis:
    """A guard of Redis commands, which sends none for a second after one failed.

    Args:
        purpose: What happens while Redis is down, for the log.
        leader: Another guard of the same server, which learns for both whether it is back. Two
            guards that both tried would cost one request two timeouts.
    """

    def __init__(self, purpose: str, leader: GuardedRedis | None = None) -> None:
        self._purpose = purpose
        self._follows = leader is not None
        self._breaker: CircuitBreaker = leader._breaker if leader else CircuitBreaker(PAUSE_SECONDS)

    def run(self, command: Callable[[], T]) -> T:
        """Run a command and return its result.

        Raises:
            RedisPausedError: It was not sent.
            redis.RedisError: It failed; the next commands are not sent.
        """
        if not self._allows():
            raise RedisPausedError
        try:
            answer = command()
        except redis.RedisError as error:
            if self._breaker.failed():
                logger.warning("Redis fails with %s: %s", type(error).__name__, self._purpose)
            raise
        if self._breaker.succeeded():
            logger.info("Redis is back; no longer: %s", self._purpose)
        return answer

    def attempt(self, command: Callable[[], T], otherwise: T) -> T:
        """Run a command and return its result, or `otherwise` if it fails or is not sent."""
        try:
            return self.run(command)
        except redis.RedisError:
            return otherwise

    def _allows(self) -> bool:
        breaker = self._breaker
        # Without requests that the leader guards, nothing else would find Redis again.
        if self._follows and breaker.seconds_overdue < FOLLOWER_PATIENCE_SECONDS:
            return breaker.state == "closed"
        return breaker.allows()
