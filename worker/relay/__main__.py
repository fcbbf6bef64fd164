"""Relay the outbox to the broker: `python -m worker.relay`; several may run side by side.

NOTIFY wakes it within milliseconds of a commit. A poll once a second stands behind that: it also
finds rows whose back-off is over, and rows of a moment in which nobody listened.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
import redis
from celery import Celery

from observability.instrumentation.celery import instrument_producer
from observability.instrumentation.environment import SettingsError, exit_for
from observability.instrumentation.exposition import claim_directory, start_metrics_server
from observability.instrumentation.logs import configure_logging
from observability.instrumentation.telemetry import Telemetry, start_telemetry
from service.faults.switchboard import Switchboard, mark
from service.semconv import ORDERS_RELAY, SERVICE_NAMESPACE, SPAN_RELAY_PAUSE
from service.storage import outbox
from service.storage.database import connection_arguments
from service.storage.idempotency import purge_expired_keys
from worker.broker import configure, connect_broker
from worker.metrics.watching import relay_collectors
from worker.relay.sending import BrokerAwayError, resend_lost, send_due
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer

    from service.faults.switchboard import Faults

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RESEND_EVERY_SECONDS = 5.0
# The broker is asked, so this need not outlast the visibility time-out: only the moment in which
# a message is between two lists, and a copy does no harm.
RESEND_AFTER = timedelta(seconds=20)
PURGE_EVERY_SECONDS = 60.0
FAILURE_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


class Relay:
    """Send what is due until it is stopped.

    Args:
        connect: Opens a connection to the database, in autocommit.
        app: Knows the broker; made with `create_producer`.
        broker: Reads what the broker holds.
        faults: Tells whether the relay is dead on purpose.
        tracer: Makes the span of a pause, since no message has one then.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        app: Celery,
        broker: redis.Redis,
        faults: Callable[[], Faults],
        tracer: Tracer,
    ) -> None:
        self._tracer = tracer
        self._connect = connect
        self._app = app
        self._broker = broker
        self._faults = faults
        self._stopped = threading.Event()
        self._pause = FAILURE_PAUSE_SECONDS
        self._resend_at = self._purge_at = 0.0

    def stop(self) -> None:
        """Finish the batch in hand and return from `run`."""
        self._stopped.set()

    def run(self) -> None:
        """Relay until stopped, whatever the database and the broker do."""
        while not self._stopped.is_set():
            try:
                with self._connect() as conn:
                    conn.execute(f"LISTEN {outbox.CHANNEL}")
                    self._work(conn)
            except (psycopg.Error, BrokerAwayError, redis.RedisError, OSError) as error:
                logger.warning("the relay pauses: %s: %s", type(error).__name__, error)
                self._stopped.wait(self._pause)
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def _work(self, conn: psycopg.Connection[Any]) -> None:
        while not self._stopped.is_set():
            if self._faults().relay_dead:
                self._play_dead()
                continue
            if not self._send_batch(conn):
                self._look_after(conn)
                self._wait(conn)
            self._pause = FAILURE_PAUSE_SECONDS

    def _play_dead(self) -> None:
        with self._tracer.start_as_current_span(SPAN_RELAY_PAUSE):
            mark("relay_dead", True)
            while self._faults().relay_dead and not self._stopped.wait(POLL_SECONDS):
                pass

    def _send_batch(self, conn: psycopg.Connection[Any]) -> int:
        away: BrokerAwayError | None = None
        with conn.transaction():
            try:
                return send_due(conn, self._app)
            except BrokerAwayError as error:
                away = error
        raise away

    def _look_after(self, conn: psycopg.Connection[Any]) -> None:
        now = monotonic()
        if now >= self._resend_at:
            self._resend_at = now + RESEND_EVERY_SECONDS
            resend_lost(conn, self._broker, RESEND_AFTER)
        if now >= self._purge_at:
            self._purge_at = now + PURGE_EVERY_SECONDS
            purge_expired_keys(conn)

    def _wait(self, conn: psycopg.Connection[Any]) -> None:
        """Wait for a notification, at most until the next poll."""
        for _ in conn.notifies(timeout=POLL_SECONDS, stop_after=1):
            return


def create_producer(settings: WorkerSettings, telemetry: Telemetry) -> Celery:
    """Return an application that sends and gives up at once when the broker is away."""
    app = Celery(ORDERS_RELAY, set_as_current=False)
    configure(app, settings)
    app.conf.broker_transport_options |= {"max_retries": 1, "interval_start": 0}
    instrument_producer(app, telemetry)
    return app


def create_relay(settings: WorkerSettings, switchboard: Switchboard, telemetry: Telemetry) -> Relay:
    """Build and wire the relay; nothing is connected yet."""
    arguments = connection_arguments(settings.database, ORDERS_RELAY)
    return Relay(
        lambda: psycopg.connect(**arguments, autocommit=True),
        create_producer(settings, telemetry),
        connect_broker(settings),
        switchboard.now,
        telemetry.tracer,
    )


def main() -> int:
    """Run the relay until TERM; return the exit code."""
    settings = WorkerSettings.from_env_or_exit()
    switchboard = Switchboard(settings.faults_file)
    try:
        claim_directory(settings.telemetry)
    except SettingsError as error:
        exit_for(error)
    configure_logging(settings.telemetry)
    telemetry = start_telemetry(
        settings.telemetry,
        service_name=ORDERS_RELAY,
        service_namespace=SERVICE_NAMESPACE,
        is_dropping=lambda: switchboard.now().telemetry_dropped,
    )
    start_metrics_server(
        settings.telemetry,
        settings.relay_metrics_port,
        relay_collectors(settings),
        host=settings.bind_host,
    )
    relay = create_relay(settings, switchboard, telemetry)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    logger.info("the relay runs")
    relay.run()
    telemetry.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
