"""Whether the receiver hangs, as all processes that share a metrics folder know it.

A process that ends waits for its last export. Where a pool recycles its children and the receiver
hangs, each child would wait in vain, and tasks or requests would wait for the next child. So the
first process that has no answer for SLOW_SECONDS leaves a mark in the folder, and while the mark is
fresh none waits; the first answer removes it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SLOW_SECONDS = 2.0
# Without a process that exports all the time, a child finds out again after this.
FRESH_SECONDS = 30.0
# Removed with the other files when a main process starts.
_NAME = "receiver.hangs"


class Receiver:
    """The state of the receiver.

    Args:
        folder: That the processes share; None for a process on its own.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path: Path | None = None
        if folder is not None:
            self.share(folder)

    def share(self, folder: Path) -> None:
        """Keep the state in a folder from now on."""
        self._path = folder / _NAME

    def note_silence(self) -> None:
        """Record that there was no answer in time."""
        if self._path is not None:
            with suppress(OSError):
                self._path.touch()

    def note_answer(self) -> None:
        """Record an answer."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def hangs(self) -> bool:
        """Return whether a process has had no answer lately, and none has had one since."""
        if self._path is None:
            return False
        try:
            return time.time() - self._path.stat().st_mtime < FRESH_SECONDS
        except OSError:
            return False
