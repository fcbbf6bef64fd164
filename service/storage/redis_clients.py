"""Clients of Redis with timeouts, which begin with the name lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from observability.instrumentation.dependencies import lookups_within
from observability.instrumentation.redis import instrument_redis

if TYPE_CHECKING:
    from observability.instrumentation.telemetry import Telemetry
    from service.settings import RedisSettings

CACHE_TIMEOUT_SECONDS = 0.1


class PromptConnection(redis.Connection):
    """A connection whose name lookup ends within its connect timeout.

    It needs `bound_lookups` in the process; redis-py itself looks names up without a timeout.
    """

    def _connect(self) -> Any:
        with lookups_within(self.socket_connect_timeout):
            return super()._connect()  # type: ignore[no-untyped-call]


def make_client(settings: RedisSettings, *, timeout_seconds: float) -> redis.Redis:
    """Return a client without retries; it connects when it is used.

    redis-py tries four times by default, so that a server that hangs costs four timeouts.

    Args:
        settings: Where Redis is.
        timeout_seconds: Longest wait for the name lookup, for a connection, and for an answer.
    """
    pool = redis.ConnectionPool(
        connection_class=PromptConnection,
        host=settings.host,
        port=settings.port,
        password=settings.password or None,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return redis.Redis.from_pool(pool)


def make_cache_client(settings: RedisSettings, telemetry: Telemetry) -> redis.Redis:
    """Return an instrumented client with a short timeout."""
    client = make_client(settings, timeout_seconds=CACHE_TIMEOUT_SECONDS)
    return instrument_redis(client, telemetry)
