"""Stop asking something that just failed, so that its absence costs no time-outs."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Guard:
    """Close a door for a moment after a failure, then let one caller try.

    Args:
        pause_seconds: How long nobody asks after a failure.
        clock: Seconds that only grow.
    """

    def __init__(self, pause_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = False
        self._next_try = 0.0

    def allows(self) -> bool:
        """Tell whether to ask now; after a pause only one caller hears yes."""
        if not self._failed:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._pause_seconds
            return True

    def failed(self) -> bool:
        """Close the door; return True if it was open before."""
        with self._lock:
            was_open, self._failed = not self._failed, True
            self._next_try = self._clock() + self._pause_seconds
            return was_open

    def succeeded(self) -> bool:
        """Open the door; return True if it was closed before."""
        if not self._failed:
            return False
        with self._lock:
            self._failed = False
        return True
