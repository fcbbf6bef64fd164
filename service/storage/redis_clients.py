"""Clients of Redis with timeouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from observability.instrumentation.redis import instrument_redis

if TYPE_CHECKING:
    from observability.instrumentation.telemetry import Telemetry
    from service.settings import RedisSettings

CACHE_TIMEOUT_SECONDS = 0.1


def make_client(settings: RedisSettings, *, timeout_seconds: float, **options: Any) -> redis.Redis:
    """Return a client; it connects when it is used.

    Args:
        settings: Where Redis is.
        timeout_seconds: Longest wait for a connection, and for an answer.
        options: More keyword arguments of `redis.Redis`.
    """
    arguments: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "password": settings.password or None,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
    }
    return redis.Redis(**arguments | options)


def make_cache_client(settings: RedisSettings, telemetry: Telemetry) -> redis.Redis:
    """Return an instrumented client with a short timeout and no retries."""
    client = make_client(
        settings, timeout_seconds=CACHE_TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0)
    )
    return instrument_redis(client, telemetry)
