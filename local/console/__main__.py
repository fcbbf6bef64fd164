"""Start the console and run until SIGTERM or SIGINT: `python -m local.console`."""

from __future__ import annotations

import json
import signal
import sys
import threading

import click

from local.console.server import Console, PortTakenError, raise_descriptor_limit
from local.console.settings import ConsoleSettings
from observability.instrumentation.environment import SettingsError

PORT_TAKEN = 1
BAD_SETTINGS = 2


@click.command()
def main() -> None:
    """Serve the console, OTLP/HTTP and SMTP on the ports that the environment names.

    Exit code: 0 after a signal, 1 if a port is taken, 2 if a setting is bad.
    """
    try:
        settings = ConsoleSettings.from_env()
        raise_descriptor_limit()
        console = Console(settings)
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(BAD_SETTINGS)
    except PortTakenError as error:
        click.echo(f"port taken: {error}", err=True)
        sys.exit(PORT_TAKEN)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ports = {
        "pages": console.pages_port,
        "otlp": console.otlp_port,
        "mail": console.mail_port,
        "prometheus": console.prometheus_port,
        "alertmanager": console.alertmanager_port,
        "smtp": console.smtp_port,
    }
    click.echo(json.dumps({"event": "listening", **ports}))
    ended.wait()
    console.close()


if __name__ == "__main__":
    main(prog_name="python -m local.console")
