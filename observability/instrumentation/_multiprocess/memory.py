"""Memory of the process that serves the metrics and of all its children, read at each scrape."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .. import semconv
from ..metrics import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric as Family

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_KIBIBYTE = 1024
# The kernel walks all pages of a process for the exact figure; a scrape must not wait for long.
_BUDGET_SECONDS = 0.2


class MemoryCollector:
    """A collector of `process_memory_usage_bytes`; it yields nothing where /proc is not there.

    Args:
        proc: The folder of the kernel's process information.
        budget_seconds: After this the resident set of a process is taken instead, which is cheap
            to read and counts shared pages once for each process.
    """

    def __init__(self, proc: Path = _PROC, *, budget_seconds: float = _BUDGET_SECONDS) -> None:
        self._proc = proc
        self._budget = budget_seconds

    def describe(self) -> list[Family]:
        """Return the family without values."""
        return [family(semconv.PROCESS_MEMORY_USAGE, {})]

    def collect(self) -> Iterator[Family]:
        """Yield the sum over this process and its descendants."""
        deadline = time.monotonic() + self._budget
        total = sum(self._memory(pid, deadline) for pid in self._descendants(os.getpid()))
        if total:
            yield family(semconv.PROCESS_MEMORY_USAGE, {(): float(total)})

    def _descendants(self, root: int) -> list[int]:
        found = [root]
        for pid in found:
            found += [int(child) for child in self._children(pid)]
        return found

    def _children(self, pid: int) -> Iterator[str]:
        # A child belongs to the thread that started it. Source: proc_tid_children(5).
        for task in self._proc.glob(f"{pid}/task/*/children"):
            yield from self._read(task).split()

    def _memory(self, pid: int, deadline: float) -> int:
        """Return the proportional set size in bytes, else the resident one; 0 if it has ended."""
        if time.monotonic() < deadline:
            for line in self._read(self._proc / str(pid) / "smaps_rollup").splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * _KIBIBYTE
        pages = self._read(self._proc / str(pid) / "statm").split()
        return int(pages[1]) * _PAGE_BYTES if len(pages) > 1 else 0

    def _read(self, path: Path) -> str:
        """Return a file of a process, empty if it has ended or must not be read."""
        try:
            return path.read_text(errors="replace")
        except OSError:
            return ""
