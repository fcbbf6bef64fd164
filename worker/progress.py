"""The input of the health check: when the main loop last ran, and when an attempt last ended."""

from __future__ import annotations

import json
import mmap
import os
import time
from typing import TYPE_CHECKING, Any

from celery import bootsteps

from worker.health import FILE

if TYPE_CHECKING:
    from pathlib import Path

    from celery import Celery

BEAT_SECONDS = 5.0


class Progress:
    """The time at which an attempt last ended, over all children of one worker.

    Made before the fork: the children write into memory that the main process reads.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self.note()

    def note(self) -> None:
        """Note that an attempt has just ended."""
        self._cells[0] = time.time()

    @property
    def noted_at(self) -> float:
        """The time of the last note, in seconds since the epoch."""
        return self._cells[0]

    def write(self, folder: Path) -> None:
        """Write the progress file; called by the main loop itself."""
        partial = folder / f"{FILE}.{os.getpid()}"
        partial.write_text(json.dumps({"loop": time.time(), "done": self.noted_at}))
        partial.replace(folder / FILE)


def watch(app: Celery, progress: Progress, folder: Path) -> None:
    """Make the worker's main loop write the progress file every five seconds."""

    class WriteProgress(bootsteps.StartStopStep):  # type: ignore[misc]
        """The step of the worker that writes the progress file while the main loop runs."""

        requires = frozenset({"celery.worker.components:Timer"})

        def start(self, worker: Any) -> None:
            """Start writing."""
            progress.write(folder)
            self.timer = worker.timer.call_repeatedly(BEAT_SECONDS, progress.write, (folder,))

        def stop(self, worker: Any) -> None:  # noqa: ARG002 - the base class passes it
            """Stop writing."""
            if timer := getattr(self, "timer", None):
                timer.cancel()

    app.steps["worker"].add(WriteProgress)
