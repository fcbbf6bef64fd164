"""The relay's collectors: queues and dead letters, which are exposed also while no worker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observability.instrumentation.celery import QueueCollector
from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.metrics import ScrapeGauge
from service.semconv import ORDERS_DEAD_LETTER_TASKS, ORDERS_RELAY, QUEUES, TASK_QUEUES
from service.storage import dead_letters, outbox
from worker.broker import PRIORITY_STEPS, PROBE_SECONDS, connect_broker, ping_broker
from worker.metrics.database import connect, ping_database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from observability.instrumentation.metrics import Collector
    from worker.settings import WorkerSettings


def relay_collectors(settings: WorkerSettings) -> Iterable[Collector]:
    """Return the queues, the dead letters and the dependencies' health."""
    yield QueueCollector(
        lambda: connect_broker(settings, PROBE_SECONDS),
        QUEUES,
        scheduled=lambda: _scheduled(settings),
        limits=dict.fromkeys(QUEUES, settings.queue_limit),
        priority_steps=PRIORITY_STEPS,
    )
    yield ScrapeGauge(ORDERS_DEAD_LETTER_TASKS, lambda: _dead_letters(settings))
    yield DependencyProbes(
        {
            "postgres": lambda: ping_database(settings, ORDERS_RELAY),
            "broker": lambda: ping_broker(settings),
        }
    )


def _scheduled(settings: WorkerSettings) -> dict[str, float]:
    with connect(settings, ORDERS_RELAY) as conn:
        return dict(outbox.scheduled(conn))


def _dead_letters(settings: WorkerSettings) -> dict[tuple[str, ...], float]:
    with connect(settings, ORDERS_RELAY) as conn:
        counts = dead_letters.count(conn)
    return {(task,): float(counts.get(task, 0)) for task in {*TASK_QUEUES, *counts}}
