"""Build the relay: the one place where its parts are made and put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

from observability.instrumentation.celery import instrument_producer
from service.semconv import ORDERS_RELAY
from service.storage.postgres import connect
from worker.broker import configure, connect_broker
from worker.faults import DeadRelay
from worker.relay.relay import Relay

if TYPE_CHECKING:
    from observability.instrumentation.telemetry import Telemetry
    from service.faults.switchboard import Switchboard
    from worker.settings import WorkerSettings


def create_producer(settings: WorkerSettings, telemetry: Telemetry) -> Celery:
    """Return a Celery application that sends, and gives up at once when the broker is down."""
    app = Celery(ORDERS_RELAY, set_as_current=False)
    configure(app, settings)
    app.conf.broker_transport_options |= {"max_retries": 1, "interval_start": 0}
    instrument_producer(app, telemetry)
    return app


def create_relay(
    settings: WorkerSettings, telemetry: Telemetry, switchboard: Switchboard | None
) -> Relay:
    """Build and wire the relay; nothing is connected yet."""
    parts = (
        lambda: connect(settings.database, ORDERS_RELAY, autocommit=True),
        create_producer(settings, telemetry),
        connect_broker(settings),
    )
    if switchboard is None:
        return Relay(*parts)
    return DeadRelay(*parts, faults=switchboard.now, tracer=telemetry.tracer)
