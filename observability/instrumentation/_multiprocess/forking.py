"""Threads and forks kept apart.

A child process inherits locks as they were at the fork, without the threads that would release
them. So what a thread of this kit does while it holds a library's lock (prometheus_client has one
for all metrics), it does under GATE, which each fork waits for.

Third-party code that a thread calls, to connect to a database for example, runs inside `unforked`:
C libraries have hidden locks, and hold them for long when they initialize. Observed: a scrape
opened the first connection of the main process during a fork, and each child process then waited
in libpq and never returned.
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

# A thread that takes longer is waiting for an answer in a system call, where it holds no lock.
FORK_WAITS_SECONDS = 3.0

GATE = threading.RLock()


class _Blocks:
    """The `unforked` blocks that are running; a fork waits until there are none."""

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
        # The blocks first, since they may count under GATE; both locks are held during the fork.
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
_targets: list[weakref.ref[ForkAware]] = []
os.register_at_fork(
    before=_blocks.before_fork,
    after_in_parent=_blocks.after_in_parent,
    after_in_child=_blocks.after_in_child,
)


def unforked() -> AbstractContextManager[None]:
    """Return a context manager; forks wait for its block, up to FORK_WAITS_SECONDS.

    For threads of a process that forks. Never enter it under GATE, and never fork in it.
    """
    return _blocks.run()


_main = {"pid": 0}


def note_main_process() -> None:
    """Record that this process forks children that do the work, as a pool's main process does."""
    _main["pid"] = os.getpid()


def forks_children() -> bool:
    """Return whether this process is such a main process; its children are not."""
    return _main["pid"] == os.getpid()


class ForkAware(Protocol):
    """An object with state that is not valid in a child process."""

    def after_fork(self) -> None:
        """Replace the threads, locks and connections of the parent."""


def call_in_children(target: ForkAware) -> None:
    """Call the object's `after_fork` in each child process while the object exists."""
    reference = weakref.ref(target)
    _targets.append(reference)

    def run() -> None:
        alive = reference()
        if alive is not None:
            alive.after_fork()

    os.register_at_fork(after_in_child=run)


def begin_again() -> None:
    """Replace all threads, locks and files of this kit, as in a new child process.

    For a child process whose locks or descriptors were replaced after the fork: by gevent, or by
    code that closes all descriptors.
    """
    _blocks._begin()
    for reference in list(_targets):
        target = reference()
        if target is None:
            _targets.remove(reference)
        else:
            target.after_fork()


def gated(function: Callable[[float], None], amount: float) -> None:
    """Call a counter from a thread of this kit, never during a fork."""
    with GATE:
        function(amount)
