"""Relay the outbox to the broker until TERM; several relays may run side by side."""

from __future__ import annotations

import logging
import signal

import click

from observability.instrumentation.dependencies import bound_lookups
from observability.instrumentation.environment import SettingsError, exit_for
from observability.instrumentation.exposition import claim_directory, start_metrics_server
from observability.instrumentation.logs import configure_logging
from observability.instrumentation.telemetry import start_telemetry
from service.faults.switchboard import Switchboard
from service.semconv import ORDERS_RELAY, SERVICE_NAMESPACE
from service.version import VERSION
from worker.metrics.relay import relay_collectors
from worker.relay.app import create_relay
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)


@click.command(help=__doc__)
def main() -> None:
    """Start telemetry, the metrics port and the relay, and run it."""
    settings = WorkerSettings.from_env_or_exit()
    bound_lookups()
    switchboard = Switchboard(settings.faults_file) if settings.faults_file else None
    try:
        claim_directory(settings.telemetry)
    except SettingsError as error:
        exit_for(error)
    configure_logging(settings.telemetry)
    telemetry = start_telemetry(
        settings.telemetry,
        service_name=ORDERS_RELAY,
        service_namespace=SERVICE_NAMESPACE,
        service_version=VERSION,
        is_dropping=switchboard.drops_telemetry if switchboard else None,
    )
    start_metrics_server(
        settings.telemetry,
        settings.relay_metrics_port,
        relay_collectors(settings),
        host=settings.bind_host,
        trusted_hosts=settings.trusted_hosts,
    )
    relay = create_relay(settings, telemetry, switchboard)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    logger.info("the relay has started")
    relay.run()
    telemetry.shutdown()


if __name__ == "__main__":
    main(prog_name="python -m worker.relay")
