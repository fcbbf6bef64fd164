"""The commands of the local mode."""

from __future__ import annotations

import click

from local.cli import logs
from local.cli.down import interrupt_and_down
from local.cli.errors import RefusedError
from local.cli.status import print_status, read_status
from local.cli.up import Started, up
from local.settings import LocalSettings
from local.state import StateFolder
from simulators.load import write_rate

PAGES = {
    "orders": "ORDERS_PORT",
    "console": "GRAFANA_PORT",
    "Prometheus": "PROMETHEUS_PORT",
    "Alertmanager": "ALERTMANAGER_PORT",
    "mail": "MAIL_PORT",
    "OTLP/HTTP in": "OTLP_PORT",
}


class LocalMode:
    """The commands without Docker; each returns its exit code.

    Args:
        settings: Ports, paths, rates.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self.settings = settings
        self._state = StateFolder(settings.state)

    def up(self, started_at: float) -> int:
        """Start everything and print where to look.

        Args:
            started_at: When the user's wait began; seconds since the epoch.

        Raises:
            CommandError: Nothing was started, or a child never became ready.
        """
        settings = self.settings
        started = up(settings, started_at)
        if started is None:
            click.echo("already running")
            print_status(read_status(self._state), as_json=False)
            return 0
        pages = [
            f"  {name:<14}http://{settings.address(port)}"
            for name, port in PAGES.items()
            if port in settings.listeners()
        ]
        click.echo("\n".join(["", *pages, "", self._first_order(started)]))
        click.echo(f"memory {started.memory_mb:.0f} MB (PSS of all processes)")
        profile = f"SLO profile: {settings.profile}. " if settings.sample else ""
        click.echo(
            f"{profile}This is the local mode, for developers and CI on one machine;\n"
            "it does not replace the stack that `docker compose up` starts."
        )
        return 0

    def down(self) -> int:
        """Stop everything."""
        return 0 if interrupt_and_down(self._state) else 1

    def status(self, *, as_json: bool) -> int:
        """Print a row per process."""
        return print_status(read_status(self._state), as_json=as_json)

    def logs(self, name: str | None, *, follow: bool, lines: int) -> int:
        """Print the log files' last lines, or those of one process.

        Raises:
            RefusedError: The process has no log file.
        """
        known = logs.log_names(self._state)
        if name and name not in known:
            names = ", ".join(known) or "none"
            raise RefusedError(f"no log of {name!r}; there are: {names}")
        logs.show(self._state, [name] if name else known, lines, follow=follow)
        return 0

    def load(self, rate: float) -> int:
        """Set the load generator's rate, in requests per second.

        Raises:
            RefusedError: The rate is out of range.
        """
        try:
            write_rate(self._state.load, rate)
        except ValueError as error:
            raise RefusedError(str(error)) from error
        note = "" if self._state.is_running() else "; nothing is running"
        click.echo(f"{rate:g} requests per second{note}")
        return 0

    def _first_order(self, started: Started) -> str:
        if not self.settings.sample:
            return "SAMPLE=off: the stack only; send OTLP to it, and name scrape jobs in SCRAPE_DIR"
        if started.first_order_seconds is not None:
            return f"first order seen in the console after {started.first_order_seconds:.1f} s"
        if self.settings.load_rate == 0:
            return "no load (ORDERS_LOAD_RATE=0), so no first order to wait for"
        return "no order was seen in the console within a minute; see `make logs NAME=customers`"
