"""Start the local mode: check, prepare, hand over to a supervisor, and tell how it goes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from local.cli.down import down
from local.cli.first_order import wait_for_first_order
from local.cli.ports import taken_ports
from local.cli.prepare import PrepareError, prepare
from local.servers.child_environment import inherited
from local.settings import ROOT, LocalSettings
from local.state import MARKER, StateFolder
from local.supervisor.logfiles import last_lines
from local.supervisor.processes import end_all, members, memory_bytes

Say = Callable[[str], None]
POLL_SECONDS = 0.05
LINES_OF_A_FAILED_CHILD = 15
LONGEST_LINE = 500


class StartError(RuntimeError):
    """Raised when the local mode cannot be started.

    Args:
        message: What is wrong and what would help.
        exit_code: 1 when a child failed, 2 when nothing was started.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Started:
    """What a start came to.

    Args:
        first_order_seconds: From the start to the first order seen in the console, if any.
        memory_mb: PSS of all processes.
    """

    first_order_seconds: float | None
    memory_mb: float


def up(settings: LocalSettings, say: Say, started_at: float) -> Started | None:
    """Start everything and return when all of it is ready.

    Args:
        settings: Ports, paths, rates.
        say: Gets one line after the other.
        started_at: When the user's wait began; seconds since the epoch.

    Returns:
        The figures, or None if it was running already.

    Raises:
        StartError: Something is in the way, or a child never became ready.
    """
    state = StateFolder(settings.state)
    with state.turn("up"):
        if state.is_running():
            return None
        _clear_strays(state, say)
        if problems := taken_ports(settings):
            raise StartError("\n".join(problems), 2)
        try:
            prepare(settings, state, say)
        except PrepareError as error:
            raise StartError(str(error), 2) from error
        try:
            _supervise(settings, state, say)
            seconds = None
            if settings.load_rate > 0:
                say("waiting for the first order to be seen in the console")
                seen = wait_for_first_order(settings.ports["GRAFANA_PORT"], started_at)
                seconds = seen - started_at if seen else None
        except KeyboardInterrupt:
            down(state, say)
            raise
        pids = [process.pid for process in members(state.path)]
        return Started(seconds, memory_bytes(pids) / 1e6)


def _clear_strays(state: StateFolder, say: Say) -> None:
    if strays := members(state.path):
        say(f"ending {len(strays)} processes that an earlier run left")
        end_all(strays)


def _supervise(settings: LocalSettings, state: StateFolder, say: Say) -> None:
    """Start the supervisor and follow its report until all is ready.

    Raises:
        StartError: A child never became ready, or the supervisor died.
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
    told: set[str] = set()
    while daemon.poll() is None:
        report = state.read_report()
        _tell(report, told, say)
        if report.get("phase") == "ready":
            return
        time.sleep(POLL_SECONDS)
    raise StartError(_why(state), 1)


def _tell(report: dict[str, Any], told: set[str], say: Say) -> None:
    for child in report.get("children", []):
        if child["state"] in {"ready", "done"} and child["name"] not in told:
            told.add(child["name"])
            say(f"{child['state']:<6}{child['name']:<18}{child['address']:<18}{child['message']}")


def _why(state: StateFolder) -> str:
    """Return which child failed, its log file and the last lines of it."""
    report = state.read_report()
    for child in report.get("children", []):
        if child["state"] == "failed":
            with suppress(OSError):
                lines = last_lines(state.log(child["name"]), LINES_OF_A_FAILED_CHILD)
                tail = "\n".join(f"  | {line[:LONGEST_LINE]}" for line in lines)
                return f"{report['failure']}. Its log is {child['log']}:\n{tail}"
    lines = last_lines(state.log("supervisor"), LINES_OF_A_FAILED_CHILD)
    return f"the supervisor ended; its log is {state.log('supervisor')}:\n" + "\n".join(lines)
