"""Collectors that ask the database and the broker at each scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from observability.instrumentation.celery import QueueCollector
from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.metrics import ScrapeGauge, family
from service.semconv import (
    ORDERS_DEAD_LETTER_TASKS,
    ORDERS_RELAY,
    OUTBOX_OLDEST_UNPUBLISHED_AGE,
    OUTBOX_POISON_ROWS,
    OUTBOX_UNPUBLISHED_ROWS,
    QUEUES,
    TASK_QUEUES,
)
from service.storage import dead_letters, outbox
from service.storage.database import connection_arguments
from worker.broker import PRIORITY_STEPS, connect_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.metrics_core import Metric as Family

    from observability.instrumentation.metrics import Collector
    from worker.settings import WorkerSettings


def relay_collectors(settings: WorkerSettings) -> Iterable[Collector]:
    """Return the relay's collectors: queues and dead letters, also while no worker runs."""

    def scheduled() -> dict[str, float]:
        with connect(settings, ORDERS_RELAY) as conn:
            return dict(outbox.scheduled(conn))

    yield QueueCollector(
        lambda: connect_broker(settings),
        QUEUES,
        scheduled=scheduled,
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


class OutboxCollector:
    """The outbox's backlog, read over one short connection per scrape.

    Args:
        connect: Opens that connection.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection]) -> None:
        self._connect = connect

    def collect(self) -> Iterator[Family]:
        """Yield three gauges, or nothing while the database cannot be read."""
        try:
            with self._connect() as conn:
                backlog = outbox.backlog(conn)
        except psycopg.Error:
            return
        yield family(OUTBOX_UNPUBLISHED_ROWS, {(): backlog.unpublished_rows})
        yield family(OUTBOX_OLDEST_UNPUBLISHED_AGE, {(): backlog.oldest_unpublished_age_seconds})
        yield family(OUTBOX_POISON_ROWS, {(): backlog.poison_rows})


def connect(settings: WorkerSettings, program: str) -> psycopg.Connection:
    """Open a connection for one scrape."""
    return psycopg.connect(**connection_arguments(settings.database, f"{program}-scrape"))


def _dead_letters(settings: WorkerSettings) -> dict[tuple[str, ...], float]:
    with connect(settings, ORDERS_RELAY) as conn:
        counts = dead_letters.count(conn)
    return {(task,): float(counts.get(task, 0)) for task in {*TASK_QUEUES, *counts}}


def ping_broker(settings: WorkerSettings) -> bool:
    """Return whether the broker answers."""
    with connect_broker(settings) as client:
        return bool(client.ping())


def ping_database(settings: WorkerSettings, program: str) -> bool:
    """Return whether the database answers."""
    with connect(settings, program) as conn:
        return conn.execute("SELECT 1").fetchone() is not None
