"""The collectors of the worker's main process, in addition to its children's metrics."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

import requests

from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.metrics import ScrapeGauge
from observability.instrumentation.semconv import BREAKER_STATES, CIRCUIT_BREAKER_STATE
from service.semconv import ORDERS_WORKER
from worker.broker import ping_broker
from worker.clients import mail, payment
from worker.metrics.database import OutboxCollector, connect, ping_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from observability.instrumentation.metrics import Collector
    from worker.clients.circuit_breaker import SharedCircuitBreaker
    from worker.settings import WorkerSettings

PROBE_SECONDS = 1.5


def worker_collectors(
    settings: WorkerSettings, breakers: Mapping[str, SharedCircuitBreaker]
) -> Iterable[Collector]:
    """Return the outbox's backlog, the breakers' states and the dependencies' health."""
    yield OutboxCollector(lambda: connect(settings, ORDERS_WORKER))
    yield ScrapeGauge(
        CIRCUIT_BREAKER_STATE,
        lambda: {(name,): BREAKER_STATES[breaker.state] for name, breaker in breakers.items()},
    )
    yield DependencyProbes(
        {
            "postgres": lambda: ping_database(settings, ORDERS_WORKER),
            "broker": lambda: ping_broker(settings),
            payment.DEPENDENCY: lambda: _ping_payment(settings.payment_provider_url),
            mail.DEPENDENCY: lambda: _ping_mail(settings.smtp_host, settings.smtp_port),
        }
    )


def _ping_payment(url: str) -> bool:
    return requests.get(f"{url}/livez", timeout=PROBE_SECONDS).ok


def _ping_mail(host: str, port: int) -> bool:
    with smtplib.SMTP(host, port, mail.DOMAIN, timeout=PROBE_SECONDS) as server:
        return server.noop()[0] == 250
