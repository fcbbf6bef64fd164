"""Instrument Redis as a cache: child spans of requests and tasks, hits and misses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import semconv
from .spans import client_span

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import redis

    from .telemetry import Telemetry

_PIPELINE = "PIPELINE"


def instrument_redis(client: redis.Redis, telemetry: Telemetry) -> redis.Redis:
    """Give a client's commands CLIENT spans; without a current span they make none.

    Contrib's instrumentor has no such option, so a worker's polling makes root spans:
    https://github.com/open-telemetry/opentelemetry-python-contrib/issues/1164.
    Keys and values stay out of the spans, since they may be confidential.

    Args:
        client: The client to instrument; a second call does nothing.
        telemetry: Its tracer makes the spans.

    Returns:
        The same client.
    """
    if "execute_command" in vars(client):
        return client
    address = _address(client)
    wrapped = {
        "execute_command": _traced_command(client.execute_command, telemetry, address),
        "pipeline": _traced_pipeline(client.pipeline, telemetry, address),
    }
    vars(client).update(wrapped)
    return client


def _traced_command(
    execute: Callable[..., Any], telemetry: Telemetry, address: dict[str, Any]
) -> Callable[..., Any]:
    known: dict[str, dict[str, Any]] = {}

    def execute_command(*args: Any, **options: Any) -> Any:
        name = str(args[0])
        attributes = known.get(name)
        if attributes is None:
            attributes = known[name] = {**address, semconv.ATTR_DB_OPERATION: name}
        with client_span(telemetry, name, attributes):
            return execute(*args, **options)

    return execute_command


def _traced_pipeline(
    make: Callable[..., Any], telemetry: Telemetry, address: dict[str, Any]
) -> Callable[..., Any]:
    def pipeline(*args: Any, **options: Any) -> Any:
        made = make(*args, **options)
        run = made.execute

        def execute(*args: Any, **options: Any) -> Any:
            size = len(made.command_stack)
            values = {semconv.ATTR_DB_OPERATION: _PIPELINE, semconv.ATTR_DB_BATCH_SIZE: size}
            with client_span(telemetry, _PIPELINE, {**address, **values}):
                return run(*args, **options)

        made.execute = execute
        return made

    return pipeline


def _address(client: redis.Redis) -> dict[str, Any]:
    options = client.connection_pool.connection_kwargs
    return {
        semconv.ATTR_DB_SYSTEM: "redis",
        semconv.ATTR_SERVER_ADDRESS: str(options.get("host", options.get("path", ""))),
        semconv.ATTR_SERVER_PORT: int(options.get("port", 0)),
        semconv.ATTR_DB_NAMESPACE: str(options.get("db", 0)),
    }


class CacheInstruments:
    """The metrics of one cache: lookups by result, and the time of its commands.

    Args:
        telemetry: The telemetry of this process.
        cache: The `cache` label.
    """

    def __init__(self, telemetry: Telemetry, cache: str) -> None:
        requests = telemetry.metrics.counter(semconv.CACHE_REQUESTS)
        results = {result: requests.labels(cache, result) for result in semconv.CACHE_RESULTS}
        self.hit = results["hit"].inc
        self.miss = results["miss"].inc
        self.error = results["error"].inc
        self.bypass = results["bypass"].inc
        self._seconds = telemetry.metrics.histogram(semconv.CACHE_REQUEST_DURATION).labels(cache)

    def timed(self) -> _Timer:
        """Return a context manager that times one command, even if it fails."""
        return _Timer(self._seconds)


class _Timer:
    __slots__ = ("_histogram", "_started")

    def __init__(self, histogram: Any) -> None:
        self._histogram = histogram

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._histogram.observe(time.perf_counter() - self._started)
