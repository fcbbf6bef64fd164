"""Count without a lock, and hand the sum to a real counter now and then."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from .._multiprocess.forking import GATE, call_in_children

if TYPE_CHECKING:
    from collections.abc import Callable


class PendingCount:
    """A count that any thread, and even a signal handler, may raise.

    Args:
        add: Takes what was counted since the last time.
    """

    def __init__(self, add: Callable[[float], None]) -> None:
        self._add = add
        self.after_fork()
        call_in_children(self)

    def after_fork(self) -> None:
        """Leave what is counted to the parent."""
        self._seen = 0
        # `next` on it is one step of the interpreter, so no two threads get the same number.
        self.raise_by_one = count().__next__

    def settle(self) -> None:
        """Hand on what was counted."""
        with GATE:
            now = self.raise_by_one()
            counted, self._seen = now - self._seen, now + 1
            if counted:
                self._add(counted)
