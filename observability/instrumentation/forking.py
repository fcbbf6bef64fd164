"""Keep threads and forks apart.

A child inherits locks as they were at the fork, and the threads that would release them are gone.
So whatever a thread of ours does under somebody else's lock (prometheus_client has one for all
metrics), it does under GATE, which every fork waits for.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

GATE = threading.RLock()

os.register_at_fork(before=GATE.acquire, after_in_parent=GATE.release, after_in_child=GATE.release)


class ForkAware(Protocol):
    """Something that has to begin anew in a child."""

    def after_fork(self) -> None:
        """Forget the parent's threads, locks and connections."""


def call_in_children(thing: ForkAware) -> None:
    """Call the thing's `after_fork` in each child, for as long as the thing lives."""
    reference = weakref.ref(thing)

    def run() -> None:
        alive = reference()
        if alive is not None:
            alive.after_fork()

    os.register_at_fork(after_in_child=run)


def gated(function: Callable[[float], None], amount: float) -> None:
    """Count from a thread of ours, never while a fork is under way."""
    with GATE:
        function(amount)
