"""Start the local mode: check, prepare, hand over to a supervisor, and print its progress."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from local.cli.down import down
from local.cli.errors import CommandError, RefusedError
from local.cli.first_order import wait_for_first_order
from local.cli.ports import taken_ports
from local.cli.prepare import prepare
from local.servers.child_environment import inherited
from local.settings import ROOT, LocalSettings
from local.state import StateFolder
from local.supervisor.folder import MARKER
from local.supervisor.logfiles import last_lines
from local.supervisor.processes import end_all, members, memory_bytes

POLL_SECONDS = 0.05
LINES_OF_A_FAILED_CHILD = 15
LONGEST_LINE = 500


@dataclass(frozen=True)
class Started:
    """The figures of a finished start.

    Args:
        first_order_seconds: From the start to the first order seen in the console, if any.
        memory_mb: PSS of all processes.
    """

    first_order_seconds: float | None
    memory_mb: float


def up(settings: LocalSettings, started_at: float) -> Started | None:
    """Start everything and return when all of it is ready.

    Args:
        settings: Ports, paths, rates.
        started_at: When the user's wait began; seconds since the epoch.

    Returns:
        The figures, or None if it was running already.

    Raises:
        CommandError: A port is taken, a program is missing, or a child never became ready.
    """
    state = _create(StateFolder(settings.state))
    with state.exclusively("up"):
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with state.exclusively("down"):
                pass
            if state.is_running():
                return None
            return _start(settings, state, started_at)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            click.echo("interrupted before everything was ready", err=True)
            down(state)
            raise


def _create(state: StateFolder) -> StateFolder:
    """Create the state folder, or say why it cannot be one."""
    try:
        state.create()
    except OSError as error:
        reason = error.strerror if state.path.is_dir() else f"not a folder ({error.strerror})"
        raise RefusedError(
            f"the state folder {state.path} cannot be used: {reason}. "
            "ORDERS_STATE_DIR names another folder."
        ) from error
    return state


def _interrupt(*_: object) -> None:
    """Treat `make down` in another terminal like Ctrl-C in this one."""
    raise KeyboardInterrupt


def _start(settings: LocalSettings, state: StateFolder, started_at: float) -> Started:
    _end_leftovers(state)
    if problems := taken_ports(settings, settings.listeners()):
        raise RefusedError("\n".join(problems))
    prepare(settings, state)
    _supervise(settings, state)
    seconds = None
    if settings.sample and settings.load_rate > 0:
        click.echo("waiting for the first order to be seen in the console")
        seen = wait_for_first_order(settings.ports["GRAFANA_PORT"], started_at)
        seconds = seen - started_at if seen else None
    pids = [process.pid for process in members(state.path)]
    return Started(seconds, memory_bytes(pids) / 1e6)


def _end_leftovers(state: StateFolder) -> None:
    if leftovers := members(state.path):
        click.echo(f"ending {len(leftovers)} processes that an earlier run left")
        end_all(leftovers)


def _supervise(settings: LocalSettings, state: StateFolder) -> None:
    """Start the supervisor and follow its report until all is ready.

    Raises:
        CommandError: A child never became ready, or the supervisor died.
    """
    state.report.unlink(missing_ok=True)
    log = state.log("supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "local.supervisor", str(state.path), str(ROOT)],
            cwd=ROOT,
            env=inherited(settings) | {MARKER: str(state.path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    printed: set[str] = set()
    while daemon.poll() is None:
        report = state.read_report()
        _print_progress(report, printed)
        if report.get("phase") == "ready":
            return
        time.sleep(POLL_SECONDS)
    raise CommandError(_reason(state))


def _print_progress(report: dict[str, Any], printed: set[str]) -> None:
    for child in report.get("children", []):
        if child["state"] in {"ready", "done"} and child["name"] not in printed:
            printed.add(child["name"])
            click.echo(
                f"{child['state']:<6}{child['name']:<18}{child['address']:<18}{child['message']}"
            )


def _reason(state: StateFolder) -> str:
    """Return which child failed, its log file and the last lines of that."""
    report = state.read_report()
    for child in report.get("children", []):
        if child["state"] == "failed":
            with suppress(OSError):
                lines = last_lines(state.log(child["name"]), LINES_OF_A_FAILED_CHILD)
                tail = "\n".join(f"  | {line[:LONGEST_LINE]}" for line in lines)
                return f"{report['failure']}. Its log is {child['log']}:\n{tail}"
    lines = last_lines(state.log("supervisor"), LINES_OF_A_FAILED_CHILD)
    return f"the supervisor ended; its log is {state.log('supervisor')}:\n" + "\n".join(lines)
