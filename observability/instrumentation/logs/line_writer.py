"""Write lines to a file descriptor, at once or several together."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress

from .._multiprocess.forking import call_in_children

# Most lines that wait; one more writes them all.
MAX_WAITING = 64


class LineWriter:
    """The lines of one file descriptor, in order.

    A system call for each line costs more than the line itself; among several threads each call
    also gives up the interpreter lock. So the line of each request may wait for others: until
    another kind of line is written, or a fifth of a second. A process that is killed loses those.

    What the system refuses to write, on a full disk for example, is lost: neither a request nor the
    exporting thread may fail for its log.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.after_fork()
        call_in_children(self)

    def after_fork(self) -> None:
        """Leave the waiting lines to the parent."""
        self._waiting: deque[bytes] = deque()
        self._lock = threading.RLock()

    def now(self, line: bytes) -> None:
        """Write a line, after those that are waiting."""
        if self._waiting:
            self._waiting.append(line)
            self.flush()
        else:
            _write(self._descriptor, line)

    def soon(self, line: bytes) -> None:
        """Queue a line for the next flush."""
        self._waiting.append(line)
        if len(self._waiting) >= MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write the lines that are waiting."""
        waiting = self._waiting
        with self._lock:
            while waiting:
                _write(self._descriptor, b"".join([waiting.popleft() for _ in range(len(waiting))]))


def _write(descriptor: int, data: bytes) -> None:
    with suppress(OSError):
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, data[written:])
