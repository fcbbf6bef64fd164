"""Cache commands are child spans and never roots; lookups are counted by result."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from observability.instrumentation import semconv
from observability.instrumentation.redis import CacheInstruments, instrument_redis
from observability.instrumentation.testing import RecordedTelemetry
from tools.servers import Redis, free_port


def test_commands_and_pipelines_are_child_spans_and_never_roots(
    start_redis: Callable[..., Redis], telemetry: RecordedTelemetry
) -> None:
    server = start_redis()
    with redis.Redis(port=server.port) as client:
        assert instrument_redis(client, telemetry) is client
        instrument_redis(client, telemetry)
        client.set("a", "b")
        assert telemetry.spans == []
        with telemetry.tracer.start_as_current_span("root"):
            assert client.get("a") == b"b"
            with client.pipeline() as pipeline:
                pipeline.get("a").get("c")
                assert pipeline.execute() == [b"b", None]
            script = client.register_script("return 7")
            assert script() == 7
    names = [span.name for span in telemetry.spans]
    assert names[:2] == ["GET", "PIPELINE"]
    assert "EVALSHA" in names
    span = telemetry.span("GET")
    assert span.attributes["db.system.name"] == "redis"
    assert span.attributes["server.port"] == server.port
    assert telemetry.span("PIPELINE").attributes["db.operation.batch.size"] == 2


def test_a_cache_that_is_down_is_an_error_in_the_span(telemetry: RecordedTelemetry) -> None:
    with redis.Redis(port=free_port()) as client:
        instrument_redis(client, telemetry)
        with telemetry.tracer.start_as_current_span("root"), pytest.raises(redis.RedisError):
            client.get("a")
    assert telemetry.span("GET").attributes["error.type"] == "ConnectionError"


def test_lookups_are_counted_by_result_and_timed(telemetry: RecordedTelemetry) -> None:
    cache = CacheInstruments(telemetry, "orders")

    def counts() -> list[float]:
        return [
            telemetry.value(semconv.CACHE_REQUESTS, cache="orders", result=result)
            for result in semconv.CACHE_RESULTS
        ]

    assert counts() == [0, 0, 0, 0]
    cache.hit()
    cache.hit()
    cache.miss()
    cache.error()
    cache.bypass()
    assert counts() == [2, 1, 1, 1]

    def fail() -> None:
        with cache.timed():
            raise redis.TimeoutError

    with pytest.raises(redis.TimeoutError):
        fail()
    assert telemetry.value(semconv.CACHE_REQUEST_DURATION, cache="orders") == 1
