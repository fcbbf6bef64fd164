"""The queues of a real broker, message by message."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import celery
import pytest
import redis

from observability.instrumentation.celery import QueueCollector, instrument_producer
from observability.instrumentation.testing import RecordedTelemetry
from tests.integration.instrumentation.conftest import Worker, samples
from tools.servers import Redis, free_port, wait_until


def values(collector: QueueCollector) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in collector.collect()
        for sample in family.samples
    }


@pytest.fixture
def app(broker: str, telemetry: RecordedTelemetry) -> celery.Celery:
    made = celery.Celery("producer", broker=broker, set_as_current=False)
    made.conf.update(task_default_queue="orders", task_ignore_result=True)
    instrument_producer(made, telemetry)
    yield made
    made.close()


def collector(broker: str, **options: Any) -> QueueCollector:
    clients: list[redis.Redis] = []

    def connect() -> redis.Redis:
        clients.append(redis.Redis.from_url(broker, socket_timeout=1))
        return clients[-1]

    return QueueCollector(connect, ("orders", "emails"), **options)


@pytest.fixture(autouse=True)
def _close(monkeypatch: pytest.MonkeyPatch) -> Any:
    made: list[redis.Redis] = []
    plain = redis.Redis.from_url.__func__

    def from_url(cls: type, *args: Any, **kwargs: Any) -> redis.Redis:
        made.append(plain(cls, *args, **kwargs))
        return made[-1]

    monkeypatch.setattr(redis.Redis, "from_url", classmethod(from_url))
    yield
    for client in made:
        client.close()


def test_depth_is_the_sum_over_all_priorities(app: celery.Celery, broker: str) -> None:
    for priority in (0, 0, 3, 6, 9, 9, 9):
        app.send_task("succeed", priority=priority)
    found = values(collector(broker))
    assert found["celery_queue_messages['orders']"] == 7
    assert found["celery_queue_messages['emails']"] == 0
    assert found["celery_poller_up[]"] == 1


def test_every_queue_exists_at_0_before_redis_has_a_key(broker: str) -> None:
    found = values(collector(broker, limits={"orders": 1000}))
    for name in (
        "messages",
        "unacked_messages",
        "scheduled_messages",
        "oldest_message_age_seconds",
    ):
        assert found[f"celery_queue_{name}['orders']"] == 0
        assert found[f"celery_queue_{name}['emails']"] == 0
    assert found["celery_queue_limit_messages['orders']"] == 1000


def test_the_oldest_message_is_the_first_of_any_priority_list(
    app: celery.Celery, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for age, priority in ((5, 0), (500, 0), (50, 9)):
        with monkeypatch.context() as patched:
            patched.setattr(
                "observability.instrumentation.celery.producer.time.time",
                lambda age=age: now - age,
            )
            app.send_task("succeed", priority=priority)
    # The message of 500 s is the second of its list; only the first of each list counts.
    assert 50 <= values(collector(broker))["celery_queue_oldest_message_age_seconds['orders']"] < 90


def test_while_the_broker_is_down_series_are_absent_and_the_poller_is_down(broker: str) -> None:
    away = collector(f"redis://127.0.0.1:{free_port()}/0", limits={"orders": 10})
    assert values(away) == {"celery_poller_up[]": 0, "celery_queue_limit_messages['orders']": 10}


def test_a_broker_that_comes_back_is_polled_again(start_redis: Callable[..., Redis]) -> None:
    first = start_redis()
    poller = collector(f"redis://127.0.0.1:{first.port}/0")
    assert values(poller)["celery_poller_up[]"] == 1
    first.process.terminate()
    first.process.wait(10)
    assert values(poller) == {"celery_poller_up[]": 0}
    start_redis(port=first.port)
    wait_until(lambda: values(poller)["celery_poller_up[]"] == 1)


def test_scheduled_and_unacknowledged_messages_are_counted_separately(
    app: celery.Celery, broker: str, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker(broker, f"http://127.0.0.1:{free_port()}", "-c", "2")
    for _ in range(5):
        app.send_task("succeed", countdown=600)
    for _ in range(6):
        app.send_task("sleep", (20,))
    poller = collector(broker, scheduled=lambda: {"orders": 100, "unknown": 1})
    counts = ("scheduled_messages", "unacked_messages", "messages")
    wait_until(
        lambda: [values(poller)[f"celery_queue_{name}['orders']"] for name in counts] == [105, 2, 4]
    )
    # A cold shutdown does not wait for the tasks that sleep.
    os.kill(worker.pid, signal.SIGQUIT)
    worker.wait(30)


def test_a_count_of_scheduled_messages_that_fails_is_absent(broker: str) -> None:
    def fail() -> dict[str, float]:
        raise OSError("database away")

    found = values(collector(broker, scheduled=fail))
    assert "celery_queue_scheduled_messages['orders']" not in found
    assert found["celery_queue_messages['orders']"] == 0


def test_malformed_messages_do_not_break_the_poll(broker: str) -> None:
    with redis.Redis.from_url(broker) as client:
        client.lpush("orders", '{"headers": null}')
        client.hset("unacked", "tag", '[{"headers": {"eta": "soon"}}, "", "orders"]')
        client.hset("unacked", "other", '[{}, "", "unknown"]')
    found = values(collector(broker))
    assert found["celery_queue_messages['orders']"] == 1
    assert found["celery_queue_unacked_messages['orders']"] == 1


def test_an_exposition_of_queues_parses() -> None:
    from observability.instrumentation.exposition import start_metrics_server
    from observability.instrumentation.settings import TelemetrySettings
    from tests.integration.instrumentation.conftest import scrape

    poller = collector(f"redis://127.0.0.1:{free_port()}/0")
    server = start_metrics_server(TelemetrySettings(), 0, [poller])
    try:
        found = samples(scrape(server.port))
        assert found.pop("process_memory_usage_bytes") > 0
        failed = 'telemetry_scrape_failures_total{collector="QueueCollector",reason="failed"}'
        assert found[failed] == 1
        assert {name: found[name] for name in found if "scrape" not in name} == {
            "celery_poller_up": 0
        }
    finally:
        server.close()
