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


def interrupt_and_down(state: StateFolder) -> bool:
    """End a running `up` and everything that it started; return whether all are gone."""
    if not state.path.is_dir():
        return down(state)
    with state.exclusively("down"):
        is_interrupted = _interrupt_up(state)
        return down(state, is_interrupted=is_interrupted)


def _interrupt_up(state: StateFolder) -> bool:
    """End a running `up`, which stops what it started; return whether there was one."""
    asked: set[int] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (pid := state.holder("up")) is not None:
        is_over = time.monotonic() > deadline
        if is_over or pid not in asked:
            asked.add(pid)
            click.echo(f"interrupting `up` (process {pid})")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if is_over else signal.SIGTERM)
        time.sleep(POLL_SECONDS)
    return bool(asked)


def down(state: StateFolder, *, is_interrupted: bool = False) -> bool:
    """End the supervisor and the leftovers of a killed one; return whether all are gone.

    Args:
        state: The state folder whose processes to end.
        is_interrupted: Whether an `up` was ended before.
    """
    found = is_interrupted
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
