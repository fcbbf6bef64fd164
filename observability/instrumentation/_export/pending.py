"""A count without a lock, which is added to a real counter from time to time."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from .._multiprocess.forking import GATE, call_in_children

if TYPE_CHECKING:
    from collections.abc import Callable


class PendingCount:
    """A count that any thread, and even a signal handler, may increment.

    Args:
        add: Called with what was counted since the last call.
    """

    def __init__(self, add: Callable[[float], None]) -> None:
        self._add = add
        self.after_fork()
        call_in_children(self)

    def after_fork(self) -> None:
        """Leave the pending count to the parent."""
        self._seen = 0
        # One step of the interpreter, so that no two threads get the same number.
        self.increment = count().__next__

    def settle(self) -> None:
        """Add the pending count to the counter."""
        with GATE:
            now = self.increment()
            counted, self._seen = now - self._seen, now + 1
            if counted:
                self._add(counted)
