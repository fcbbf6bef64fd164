"""Stop the local mode, whatever state it is in."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import click

from local.state import StateFolder
from local.supervisor.processes import end_all, members

PATIENCE_SECONDS = 90
POLL_SECONDS = 0.05


def down(state: StateFolder) -> bool:
    """End the supervisor and the leftovers of a killed one; return whether all are gone.

    Args:
        state: The state folder whose processes to end.
    """
    found = False
    if state.is_running():
        found = True
        _end_supervisor(state)
    if leftovers := members(state.path):
        found = True
        for process in leftovers:
            click.echo(f"left over: process {process.pid} ({process.command[:80]})")
        end_all(leftovers)
    left = members(state.path)
    for process in left:
        click.echo(f"cannot be ended: process {process.pid} ({process.command[:80]})")
    if not left:
        click.echo("stopped" if found else "nothing was running")
    return not left


def _end_supervisor(state: StateFolder) -> None:
    pid = state.read_report().get("pid")
    if pid is None:
        return
    click.echo("stopping")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while state.is_running():
        if time.monotonic() > deadline:
            click.echo(f"the supervisor did not end within {PATIENCE_SECONDS} s; killing it")
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(POLL_SECONDS)
