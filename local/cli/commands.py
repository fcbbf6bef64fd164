"""What each command does in either mode, and what it prints."""

from __future__ import annotations

import argparse
import sys

from local.cli import docker, down, logs, status, up
from local.settings import LocalSettings
from local.state import StateFolder
from simulators.load import write_rate

MODES = ("auto", "docker", "local")
NOT_RUNNING = 3
PAGES = {
    "orders": "ORDERS_PORT",
    "console": "GRAFANA_PORT",
    "Prometheus": "PROMETHEUS_PORT",
    "Alertmanager": "ALERTMANAGER_PORT",
    "mail": "MAIL_PORT",
    "OTLP/HTTP in": "OTLP_PORT",
}


def run(options: argparse.Namespace, settings: LocalSettings) -> int:
    """Run the command that the options name, in the mode that they ask for.

    Returns:
        Exit code: 0 well, 1 not well, 2 nothing was tried, 3 nothing runs.
    """
    state = StateFolder(settings.state)
    mode = options.mode
    if mode == "auto":
        mode = _choose(state)
    if mode == "docker":
        return _run_in_docker(options, settings)
    if options.command == "up":
        return _up(settings, options.started_at)
    if options.command == "down":
        return 0 if down.down(state, _say) else 1
    if options.command == "status":
        return _print_status(status.read_status(state), as_json=_wants_json(options, settings))
    if options.command == "logs":
        return _logs(state, options)
    return _load(state, options.rate)


def _choose(state: StateFolder) -> str:
    """Return the mode that runs already, else Docker if an engine answers."""
    return "local" if state.is_running() or docker.find_engine() is None else "docker"


def _run_in_docker(options: argparse.Namespace, settings: LocalSettings) -> int:
    engine = docker.find_engine()
    if engine is None:
        return _complain("no Docker engine answers; MODE=local runs without one", 2)
    if options.command == "up":
        problems = docker.problems_before_start(engine, settings)
        return _complain("\n".join(problems), 2) if problems else docker.up(settings)
    if options.command == "down":
        return docker.down()
    if options.command == "status":
        rows = [status.Row(**row) for row in docker.status_rows()]
        return _print_status(rows, as_json=_wants_json(options, settings))
    if options.command == "logs":
        return docker.logs(options.name, follow=options.follow, lines=options.lines)
    return docker.set_load(options.rate)


def _up(settings: LocalSettings, started_at: float) -> int:
    try:
        started = up.up(settings, _say, started_at)
    except up.StartError as error:
        return _complain(str(error), error.exit_code)
    if started is None:
        _say("already running")
        _print_status(status.read_status(StateFolder(settings.state)), as_json=False)
        return 0
    pages = [f"  {name:<14}http://{settings.address(port)}" for name, port in PAGES.items()]
    _say("\n".join(["", *pages, "", _first_order(settings, started)]))
    _say(f"memory {started.memory_mb:.0f} MB (PSS of all processes)")
    _say(
        f"SLO profile: {settings.profile}. This is the local mode, for developers and CI on one"
        " machine;\nit is no replacement for the stack that `docker compose up` starts."
    )
    return 0


def _first_order(settings: LocalSettings, started: up.Started) -> str:
    if started.first_order_seconds is not None:
        return f"first order seen in the console after {started.first_order_seconds:.1f} s"
    if settings.load_rate == 0:
        return "no load (ORDERS_LOAD_RATE=0), so no first order to wait for"
    return "no order was seen in the console within a minute; see `make logs NAME=customers`"


def _wants_json(options: argparse.Namespace, settings: LocalSettings) -> bool:
    return options.json or settings.environment.get("JSON") == "1"


def _print_status(rows: list[status.Row], *, as_json: bool) -> int:
    if as_json:
        _say(status.as_json(rows))
    else:
        _say(status.as_table(rows) if rows else "not running; `make up` starts it")
    if not rows:
        return NOT_RUNNING
    return 0 if status.all_is_well(rows) else 1


def _logs(state: StateFolder, options: argparse.Namespace) -> int:
    known = logs.log_names(state)
    if options.name and options.name not in known:
        return _complain(f"no log of {options.name!r}; there are: {', '.join(known) or 'none'}", 2)
    names = [options.name] if options.name else known
    logs.show(state, names, options.lines, _say, on=options.follow)
    return 0


def _load(state: StateFolder, rate: float) -> int:
    try:
        write_rate(state.load, rate)
    except ValueError as error:
        return _complain(str(error), 2)
    _say(f"{rate:g} requests per second" + ("" if state.is_running() else "; nothing is running"))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _complain(message: str, exit_code: int) -> int:
    sys.stderr.write(message + "\n")
    return exit_code
