"""Stop the local mode, whatever state it is in."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from local.state import StateFolder
from local.supervisor.processes import end_all, members

PATIENCE_SECONDS = 90
POLL_SECONDS = 0.05


def down(state: StateFolder, say: Callable[[str], None]) -> bool:
    """End the supervisor, and what a killed one left; return whether nothing is left.

    Args:
        state: Whose processes to end.
        say: Gets one line after the other.
    """
    found = False
    if state.is_running():
        found = True
        _end_supervisor(state, say)
    if strays := members(state.path):
        found = True
        for process in strays:
            say(f"left over: process {process.pid} ({process.command[:80]})")
        end_all(strays)
    left = members(state.path)
    for process in left:
        say(f"cannot be ended: process {process.pid} ({process.command[:80]})")
    if not left:
        say("stopped" if found else "nothing was running")
    return not left


def _end_supervisor(state: StateFolder, say: Callable[[str], None]) -> None:
    pid = state.read_report().get("pid")
    if pid is None:
        return
    say("stopping")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while state.is_running():
        if time.monotonic() > deadline:
            say(f"the supervisor did not end within {PATIENCE_SECONDS} s; killing it")
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(POLL_SECONDS)
