"""Write lines to a file descriptor: at once, or a few together."""

from __future__ import annotations

import os
import threading
from collections import deque

from .._multiprocess.forking import call_in_children

# So many lines wait at most; the next one writes them all.
MAX_WAITING = 64


class LineWriter:
    """One descriptor's lines, in order.

    A system call per line costs more than making the line: with several threads each call also
    hands the interpreter on. So lines that every request writes may wait for others, a fifth of a
    second or until any other line is written; a process that is killed loses those.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.after_fork()
        call_in_children(self)

    def after_fork(self) -> None:
        """Leave what waits to the parent."""
        self._waiting: deque[bytes] = deque()
        self._lock = threading.RLock()

    def now(self, line: bytes) -> None:
        """Write a line after those that wait."""
        if self._waiting:
            self._waiting.append(line)
            self.flush()
        else:
            _write(self._descriptor, line)

    def soon(self, line: bytes) -> None:
        """Let a line wait for the next flush."""
        self._waiting.append(line)
        if len(self._waiting) >= MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        waiting = self._waiting
        with self._lock:
            while waiting:
                _write(self._descriptor, b"".join([waiting.popleft() for _ in range(len(waiting))]))


def _write(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])
