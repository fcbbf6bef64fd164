"""Hold what one process of the worker works with.

Made in the parent: what all children share, the circuits and the progress, is memory that must be
mapped before the fork. `open` runs in each child: pools, sockets and sessions must not be shared.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import requests

from observability.instrumentation.requests import instrument_session
from observability.instrumentation.semconv import BREAKER_STATES, CIRCUIT_BREAKER_TRANSITIONS
from observability.instrumentation.telemetry import Telemetry, start_telemetry
from service.faults.switchboard import Switchboard, mark
from service.metrics import OrderMetrics
from service.semconv import ORDERS_WORKER, POOL_ORDERS_WORKER, SERVICE_NAMESPACE
from service.storage.cache import OrderCache
from service.storage.database import Database, open_pool
from worker.clients import mail, payment
from worker.clients.circuit_breaker import SharedCircuitBreaker
from worker.metrics.parent import worker_collectors
from worker.progress import Progress
from worker.tasks.attempts import Attempts, Delivery
from worker.tasks.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from observability.instrumentation.metrics import Collector
    from worker.settings import WorkerSettings

T = TypeVar("T")

# A child runs one task at a time.
POOL_SIZE = 1
STUCK_POLL_SECONDS = 0.2


class Process:
    """Be the parent first, and after the fork one of its children."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.progress = Progress()
        self._settings = settings
        self._switchboard = Switchboard(settings.faults_file)
        self._breakers = {
            client.DEPENDENCY: SharedCircuitBreaker(
                client.DEPENDENCY, client.is_outage, self._count_transition
            )
            for client in (payment, mail)
        }
        self._telemetry: Telemetry | None = None
        self._attempts: Attempts | None = None
        self._runner: Runner | None = None

    def start_telemetry(self) -> Telemetry:
        """Start this process's telemetry."""
        self._telemetry = start_telemetry(
            self._settings.telemetry,
            service_name=ORDERS_WORKER,
            service_namespace=SERVICE_NAMESPACE,
            is_dropping=lambda: self._switchboard.now().telemetry_dropped,
        )
        changes = self._telemetry.metrics.counter(CIRCUIT_BREAKER_TRANSITIONS)
        changes.zero([(name, state) for name in self._breakers for state in BREAKER_STATES])
        return self._telemetry

    def collectors(self) -> Iterable[Collector]:
        """Return what the parent reads at each scrape."""
        return worker_collectors(self._settings, self._breakers)

    def open(self, telemetry: Telemetry) -> None:
        """Open what this process must not share with others."""
        self._telemetry = telemetry
        pool = open_pool(self._settings.database, telemetry, POOL_ORDERS_WORKER, POOL_SIZE)
        self._attempts = Attempts(Database(pool, self._switchboard))
        self._runner = Runner(
            self._attempts,
            self._payment_client(telemetry),
            self._mailer(telemetry),
            OrderCache.connect(self._settings.cache, telemetry, self._switchboard),
            count_outcome=OrderMetrics(telemetry).order_finished,
            note_progress=self.progress.note,
        )

    def run(self, delivery: Delivery) -> None:
        """Run the attempt that an outbox row asks for."""
        self._stand_still_if_stuck()
        _opened(self._runner).run(delivery)

    def adopt(self, task: str, order_id: UUID, payload: Mapping[str, Any]) -> None:
        """Give a message that came without a row one, so that it is worked on like any other."""
        _opened(self._attempts).adopt(task, order_id, payload)

    def _stand_still_if_stuck(self) -> None:
        if not self._switchboard.now().worker_stuck:
            return
        mark("worker_stuck", True)
        while self._switchboard.now().worker_stuck:
            time.sleep(STUCK_POLL_SECONDS)

    def _payment_client(self, telemetry: Telemetry) -> payment.PaymentClient:
        breaker = self._breakers[payment.DEPENDENCY]
        session = instrument_session(requests.Session(), telemetry)
        return payment.PaymentClient(self._settings.payment_provider_url, breaker, session)

    def _mailer(self, telemetry: Telemetry) -> mail.Mailer:
        return mail.Mailer(
            self._settings.smtp_host,
            self._settings.smtp_port,
            breaker=self._breakers[mail.DEPENDENCY],
            telemetry=telemetry,
            is_down=lambda: self._switchboard.now().email_down,
        )

    def _count_transition(self, dependency: str, state: str) -> None:
        if self._telemetry:
            counter = self._telemetry.metrics.counter(CIRCUIT_BREAKER_TRANSITIONS)
            counter.labels(dependency, state).inc()


def _opened(part: T | None) -> T:
    if part is None:
        raise RuntimeError("a task came before this process was opened")
    return part
