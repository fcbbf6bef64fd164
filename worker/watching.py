"""Read, at each scrape, what only the database, the broker and shared memory know."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

import psycopg
import requests

from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.metrics import ScrapeGauge, family
from observability.instrumentation.queues import QueueCollector
from observability.instrumentation.semconv import BREAKER_STATES, CIRCUIT_BREAKER_STATE
from service import outbox
from service.database import connection_arguments
from service.semconv import (
    ORDERS_DEAD_LETTER_TASKS,
    ORDERS_RELAY,
    ORDERS_WORKER,
    OUTBOX_OLDEST_UNPUBLISHED_AGE,
    OUTBOX_POISON_ROWS,
    OUTBOX_UNPUBLISHED_ROWS,
    QUEUES,
    TASK_QUEUES,
)
from worker import dead_letters, mail, payment
from worker.broker import PRIORITY_STEPS, connect_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric as Family

    from observability.instrumentation.metrics import Collector
    from service.settings import Settings
    from worker.breaker import SharedStorage

PROBE_SECONDS = 1.5
# The broker's memory is the limit: a message takes about 2 kB of it.
QUEUE_LIMIT_MESSAGES = 10_000


def worker_collectors(
    settings: Settings, circuits: Mapping[str, SharedStorage]
) -> Iterable[Collector]:
    """Return what the worker's parent exposes beside its children's metrics."""
    yield OutboxCollector(lambda: _connect(settings, ORDERS_WORKER))
    yield ScrapeGauge(
        CIRCUIT_BREAKER_STATE,
        lambda: {(name,): BREAKER_STATES[storage.true_state] for name, storage in circuits.items()},
    )
    yield DependencyProbes(
        {
            "postgres": lambda: _ask_database(settings, ORDERS_WORKER),
            "broker": lambda: bool(connect_broker(settings).ping()),
            payment.DEPENDENCY: lambda: _ask_payment(settings.payment_provider_url),
            mail.DEPENDENCY: lambda: _ask_mail(settings.smtp_host, settings.smtp_port),
        }
    )


def relay_collectors(settings: Settings) -> Iterable[Collector]:
    """Return what the relay exposes: the queues and the dead letters, which outlive the worker."""

    def scheduled() -> dict[str, float]:
        with _connect(settings, ORDERS_RELAY) as conn:
            return dict(outbox.scheduled(conn))

    yield QueueCollector(
        lambda: connect_broker(settings),
        QUEUES,
        scheduled=scheduled,
        limits=dict.fromkeys(QUEUES, QUEUE_LIMIT_MESSAGES),
        priority_steps=PRIORITY_STEPS,
    )
    yield ScrapeGauge(ORDERS_DEAD_LETTER_TASKS, lambda: _dead_letters(settings))
    yield DependencyProbes(
        {
            "postgres": lambda: _ask_database(settings, ORDERS_RELAY),
            "broker": lambda: bool(connect_broker(settings).ping()),
        }
    )


class OutboxCollector:
    """Expose the outbox's backlog, read over one short connection per scrape.

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


def _connect(settings: Settings, who: str) -> psycopg.Connection:
    return psycopg.connect(**connection_arguments(settings.database, f"{who}-scrape"))


def _dead_letters(settings: Settings) -> dict[tuple[str, ...], float]:
    with _connect(settings, ORDERS_RELAY) as conn:
        counts = dead_letters.count(conn)
    return {(task,): float(counts.get(task, 0)) for task in {*TASK_QUEUES, *counts}}


def _ask_database(settings: Settings, who: str) -> bool:
    with _connect(settings, who) as conn:
        return conn.execute("SELECT 1").fetchone() is not None


def _ask_payment(url: str) -> bool:
    return requests.get(f"{url}/livez", timeout=PROBE_SECONDS).ok


def _ask_mail(host: str, port: int) -> bool:
    with smtplib.SMTP(host, port, mail.DOMAIN, timeout=PROBE_SECONDS) as server:
        return server.noop()[0] == 250
