"""Keep threads and forks apart.

A child inherits locks as they were at the fork, and the threads that would release them are gone.
So whatever a thread of ours does under somebody else's lock (prometheus_client has one for all
metrics), it does under GATE, which every fork waits for.

What a thread does in other people's code (connecting to a database, say) goes into `unforked`:
C libraries have locks that nobody sees, and while they set themselves up they hold them for long.
Seen: a scrape made the first connection of the parent while it forked; each child then waited in
libpq for ever.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

# A thread that takes longer waits for an answer, in a system call, and holds no lock meanwhile.
FORK_WAITS_SECONDS = 3.0

GATE = threading.RLock()


class _Blocks:
    """Count the blocks that run in threads and make a fork wait until there is none."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._running = 0

    @contextmanager
    def run(self) -> Iterator[None]:
        changed = self._changed
        with changed:
            self._running += 1
        try:
            yield
        finally:
            with changed:
                self._running -= 1
                changed.notify_all()

    def before_fork(self) -> None:
        # First the blocks, since they may count under GATE; both stay held during the fork.
        self._changed.acquire()
        self._changed.wait_for(lambda: not self._running, FORK_WAITS_SECONDS)
        GATE.acquire()

    def after_in_parent(self) -> None:
        GATE.release()
        self._changed.release()

    def after_in_child(self) -> None:
        GATE.release()
        self._begin()


_blocks = _Blocks()
os.register_at_fork(
    before=_blocks.before_fork,
    after_in_parent=_blocks.after_in_parent,
    after_in_child=_blocks.after_in_child,
)


def unforked() -> AbstractContextManager[None]:
    """Return a context whose block no fork interrupts, unless it takes FORK_WAITS_SECONDS.

    For a thread of a process that forks. Never enter it under GATE, and never fork in it.
    """
    return _blocks.run()


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
