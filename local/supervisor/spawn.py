"""Start a process that dies with its parent, and wait for its end without a thread."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_prctl: Callable[..., int] = ctypes.CDLL(None).prctl


def spawn(
    command: Sequence[str],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stop_signal: int = signal.SIGTERM,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; it gets `stop_signal` when this process dies.

    Args:
        command: Program and arguments.
        log: File to which its output is appended; without one, or if it cannot be opened, the
            output is discarded.
        environment: All of its variables; those of this process if not given.
        stop_signal: Signal that the kernel sends when the calling thread dies.
        folder: Working directory.

    Raises:
        OSError: The program cannot be started.
    """
    output = _open_log(log)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
            preexec_fn=partial(_die_with, os.getpid(), stop_signal),  # noqa: PLW1509 - no threads
        )
    finally:
        os.close(output)


def _die_with(parent: int, stop_signal: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, stop_signal)
    if os.getppid() != parent:
        os._exit(1)


def _open_log(log: Path | None) -> int:
    if log is not None:
        with suppress(OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.open(os.devnull, os.O_WRONLY)


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process and return its exit code; negative for a signal."""
    if process.poll() is None:
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(process.pid)
        over = asyncio.Event()
        loop.add_reader(descriptor, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return process.wait()


async def clear_group(group: int, patience: float = 1) -> None:
    """End the rest of a session whose leader is gone, by SIGTERM and then by SIGKILL.

    Args:
        group: Process id of the leader.
        patience: Seconds between the two signals.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        for _ in range(int(patience / 0.05)):
            await asyncio.sleep(0.05)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
