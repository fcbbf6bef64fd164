"""Notice that a child no longer answers, although its process still runs.

Only what this process has seen itself counts. If it was late itself, because the machine is
overloaded or was suspended, then a missing answer proves nothing, and the patience starts over.
"""

from __future__ import annotations

import asyncio
import time

from .plan import Probe
from .probes import is_live

LONGEST_PAUSE_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 10.0
# As late as this a process is on a machine that is too busy, or one that was suspended.
LATE_SECONDS = 1.0


class Watch:
    """Repeated checks of one process of a child.

    Args:
        probe: The check.
        patience: Seconds without an answer after which the child is not live.
        first: The same before the first answer; at least `patience` is used.
    """

    def __init__(self, probe: Probe, patience: float, first: float) -> None:
        self.answered_at: float | None = None
        self._silent = 0.0
        self._probe = probe
        self._patience = patience
        self._first = max(first, patience)
        self._pause = min(LONGEST_PAUSE_SECONDS, patience / 4)
        self._wait = min(LONGEST_WAIT_SECONDS, patience / 2)

    def note_answer(self) -> None:
        """Note that the child has just answered."""
        self.answered_at = time.monotonic()
        self._silent = 0.0

    async def until_silent(self) -> float:
        """Check until the child has not answered for too long; return for how many seconds."""
        while self._silent < (self._first if self.answered_at is None else self._patience):
            await self._check()
        return self._silent

    async def _check(self) -> None:
        """Pause, check once, and note for how long the child has been silent."""
        began = time.monotonic()
        await asyncio.sleep(self._pause)
        asked = time.monotonic()
        answer = await is_live(self._probe, self._wait)
        ended = time.monotonic()
        if answer:
            self.note_answer()
            return
        is_late = asked - began > self._pause + LATE_SECONDS
        is_late = is_late or ended - asked > self._wait + LATE_SECONDS
        self._silent = 0.0 if is_late or answer is None else self._silent + ended - began
