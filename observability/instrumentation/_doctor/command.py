"""The command line of the kit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .._entry.ports import PORT_VARIABLE, WEB_PORT, WORKER_PORT
from ..environment import http_url
from ..settings import EntrySettings, SettingsError
from .environment import check_folder, check_receiver, check_settings
from .exposed import check_port, check_scrape_job
from .finding import State, fail, note, ok
from .program import check_handlers, check_instrumented, check_libraries, load_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .finding import Finding


@click.group()
def main() -> None:
    """Check the telemetry of a program."""


@main.command()
@click.option("--app", "where", default="", help='"shop:create_app()", or "shop.tasks:celery_app".')
@click.option(
    "--prometheus", type=http_url, default=None, help="Base URL of the Prometheus that scrapes it."
)
def doctor(where: str, prometheus: str | None) -> None:
    """Check settings, folder, ports, receiver and app; one line each, and what to do.

    Run it in the environment of your program. The exit code is 1 if a line says FAIL.
    """
    failed = False
    for finding in _examine(where, prometheus or ""):
        click.echo(str(finding))
        failed = failed or finding.state is State.FAIL
    raise SystemExit(1 if failed else 0)


def _examine(where: str, prometheus: str) -> Iterator[Finding]:
    try:
        settings = EntrySettings.from_env()
    except SettingsError as error:
        for problem in error.problems:
            yield fail("settings", problem)
        return
    yield ok("settings", "every variable has a value that can be used")
    yield from check_settings(settings)
    yield check_folder(settings.telemetry)
    yield check_receiver(settings.telemetry)
    known = (WEB_PORT, WORKER_PORT)
    ports = known if settings.metrics_port is None else (settings.metrics_port,)
    for port in ports:
        yield from check_port(port, settings.metrics_host, PORT_VARIABLE)
    service = settings.telemetry.resource.get("service.name")
    if where:
        try:
            loaded = load_app(where)
        except Exception as error:  # noqa: BLE001 - whatever the app raises
            yield fail("app", f"{where} cannot be loaded: {type(error).__name__}: {error}")
        else:
            service = service or loaded.service_name
            yield check_instrumented(loaded)
            yield from check_handlers()
            yield from check_libraries()
    else:
        yield note("app", 'not checked: give --app "shop:create_app()"')
    yield check_scrape_job(prometheus, ports, service)
