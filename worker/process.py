"""The parts of one worker process: of the main process first, of a child process after the fork.

The main process makes what all children share: the circuit breakers and the progress live in memory
that must be mapped before the fork. `open` runs in each child: pools, sockets and sessions must not
be shared.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import requests

from observability.instrumentation.redis import CacheInstruments
from observability.instrumentation.requests import instrument_session
from observability.instrumentation.semconv import BREAKER_STATES, CIRCUIT_BREAKER_TRANSITIONS
from observability.instrumentation.telemetry import Telemetry, start_telemetry
from service.faults.storage import FaultyDatabase
from service.faults.switchboard import Switchboard
from service.metrics import OrderMetrics
from service.semconv import CACHE_ORDERS, ORDERS_WORKER, POOL_ORDERS_WORKER, SERVICE_NAMESPACE
from service.storage.cache import OrderCache
from service.storage.database import Database
from service.storage.postgres import open_pool
from service.storage.redis_clients import make_cache_client
from service.version import VERSION
from service.web.serialization import to_json
from worker.clients import mail, payment
from worker.clients.circuit_breaker import SharedCircuitBreaker
from worker.faults import RefusingMailer, StuckHandler
from worker.metrics.worker import worker_collectors
from worker.progress import Progress
from worker.tasks.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from observability.instrumentation.metrics import Collector
    from worker.settings import WorkerSettings
    from worker.tasks.registry import Handler

# A child runs one task at a time.
POOL_SIZE = 1


class Process:
    """The parts of one process, made before the fork and opened after it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.progress = Progress()
        self._settings = settings
        self._switchboard = Switchboard(settings.faults_file) if settings.faults_file else None
        self._breakers = {
            client.DEPENDENCY: SharedCircuitBreaker(
                client.DEPENDENCY, client.is_outage, self._count_transition
            )
            for client in (payment, mail)
        }
        self._telemetry: Telemetry | None = None
        self._handler: Handler | None = None

    def start_telemetry(self) -> Telemetry:
        """Start this process's telemetry."""
        self._telemetry = start_telemetry(
            self._settings.telemetry,
            service_name=ORDERS_WORKER,
            service_namespace=SERVICE_NAMESPACE,
            service_version=VERSION,
            is_dropping=self._switchboard.drops_telemetry if self._switchboard else None,
        )
        changes = self._telemetry.metrics.counter(CIRCUIT_BREAKER_TRANSITIONS)
        changes.zero([(name, state) for name in self._breakers for state in BREAKER_STATES])
        return self._telemetry

    def collectors(self) -> Iterable[Collector]:
        """Return the collectors that the main process reads at each scrape."""
        return worker_collectors(self._settings, self._breakers)

    def open(self, telemetry: Telemetry) -> None:
        """Open the connections that this process must not share with others."""
        self._telemetry = telemetry
        pool = open_pool(self._settings.database, telemetry, POOL_ORDERS_WORKER, POOL_SIZE)
        cache_client = make_cache_client(self._settings.cache, telemetry)
        switchboard = self._switchboard
        runner = Runner(
            FaultyDatabase(pool, switchboard) if switchboard else Database(pool),
            self._payment_client(telemetry),
            self._mailer(telemetry),
            OrderCache(cache_client, CacheInstruments(telemetry, CACHE_ORDERS), to_json),
            count_outcome=OrderMetrics(telemetry).order_finished,
            note_progress=self.progress.note,
        )
        self._handler = StuckHandler(runner, switchboard.now) if switchboard else runner

    def handler(self) -> Handler:
        """Return the handler that runs the messages of this process.

        Raises:
            RuntimeError: The process has not been opened.
        """
        if self._handler is None:
            raise RuntimeError("a task arrived before this process was opened")
        return self._handler

    def _payment_client(self, telemetry: Telemetry) -> payment.PaymentClient:
        breaker = self._breakers[payment.DEPENDENCY]
        session = instrument_session(requests.Session(), telemetry)
        return payment.PaymentClient(self._settings.payment_provider_url, breaker, session)

    def _mailer(self, telemetry: Telemetry) -> mail.Mailer:
        address = (self._settings.smtp_host, self._settings.smtp_port)
        kind: Callable[..., mail.Mailer] = mail.Mailer
        if self._switchboard is not None:
            kind = partial(RefusingMailer, faults=self._switchboard.now)
        breaker, url = self._breakers[mail.DEPENDENCY], self._settings.public_url
        return kind(*address, breaker=breaker, telemetry=telemetry, public_url=url)

    def _count_transition(self, dependency: str, state: str) -> None:
        if self._telemetry:
            counter = self._telemetry.metrics.counter(CIRCUIT_BREAKER_TRANSITIONS)
            counter.labels(dependency, state).inc()
