"""What the relay exposes about the queues while the broker is away."""

from __future__ import annotations

from service.semconv import QUEUES
from tools.servers import free_port
from worker.metrics.relay import relay_collectors
from worker.settings import WorkerSettings


def test_the_limit_of_each_queue_is_the_setting_even_while_the_broker_is_away() -> None:
    settings = WorkerSettings.from_env(
        {
            "ORDERS_DATABASE_PASSWORD": "x",
            "ORDERS_BROKER_PORT": str(free_port()),
            "ORDERS_QUEUE_LIMIT": "7",
        }
    )
    queues, *_ = relay_collectors(settings)
    found = {
        sample.labels["queue"]: sample.value
        for family in queues.collect()
        for sample in family.samples
        if sample.name == "celery_queue_limit_messages"
    }
    assert found == dict.fromkeys(QUEUES, 7)
