"""Find the processes of a state folder in /proc, measure their memory, and end those left over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .folder import MARKER

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process as it was when it was read.

    Args:
        pid: Its id.
        parent: Its parent's id.
        started: Clock ticks from boot to its start; unique together with the id.
        command: Its command line, words joined by spaces.
    """

    pid: int
    parent: int
    started: int
    command: str

    def is_alive(self) -> bool:
        """Return whether it still exists and is not a zombie."""
        now = _read_process(self.pid)
        return now is not None and now.started == self.started


def all_processes() -> dict[int, Process]:
    """Return every process of the machine by id, zombies left out."""
    found = (_read_process(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return {process.pid: process for process in found if process is not None}


def _read_process(pid: int) -> Process | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    words = command.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return Process(pid, int(fields[1]), int(fields[19]), words or stat.partition("(")[2][:15])


def state_of(pid: int) -> str | None:
    """Return the state folder that a process belongs to, or None."""
    prefix = f"{MARKER}=".encode()
    with suppress(OSError):
        for variable in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
            if variable.startswith(prefix):
                return os.fsdecode(variable.removeprefix(prefix))
    return None


def family(roots: Iterable[int], processes: dict[int, Process]) -> set[int]:
    """Return the ids of these processes and of all their descendants."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in processes]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def members(state: Path) -> list[Process]:
    """Return every process of a state folder: those that carry its marker, and their descendants.

    A program may write its title over its environment; it is then found as a descendant.
    """
    processes = all_processes()
    marked = [pid for pid in processes if state_of(pid) == str(state)]
    own = _ancestors(os.getpid(), processes)
    return [processes[pid] for pid in sorted(family(marked, processes) - own)]


def _ancestors(pid: int, processes: dict[int, Process]) -> set[int]:
    found = set()
    while pid in processes and pid not in found:
        found.add(pid)
        pid = processes[pid].parent
    return found


def memory_bytes(pids: Iterable[int]) -> int:
    """Return the memory of processes in bytes; a shared page counts proportionally.

    Returns:
        Sum of PSS; the resident size where PSS may not be read.
    """
    return sum(_memory(pid) for pid in pids)


def _memory(pid: int) -> int:
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError):
        resident = (PROC / str(pid) / "statm").read_text().split()[1]
        return int(resident) * os.sysconf("SC_PAGE_SIZE")
    return 0


def end_all(processes: Iterable[Process], patience: float = 5) -> None:
    """End processes by SIGTERM, then those that remain by SIGKILL; return when all are gone.

    Args:
        processes: The processes to end; an id that was reused in between is left alone.
        patience: Seconds between the two signals.
    """
    left = list(processes)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in (left := [process for process in left if process.is_alive()]):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(process.is_alive() for process in left):
            time.sleep(0.05)
