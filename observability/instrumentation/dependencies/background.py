"""Functions that a scrape calls without waiting for them beyond its deadline."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from .._multiprocess.forking import unforked

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class BackgroundCall(Generic[T]):
    """A function called in a thread of its own, never twice at a time.

    Forks wait while it runs, so it may open connections. Scrapes at the same time share a call.

    Args:
        function: To call; it must not raise.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._newest: _Call[T] | None = None

    def begin(self) -> _Call[T]:
        """Start a call, unless the previous one is still running; return the one that runs."""
        with self._lock:
            if self._newest is None or self._newest.has_ended():
                self._newest = _Call(self._function)
            return self._newest


class _Call(Generic[T]):
    """One call, and its result once it has ended."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._result: T | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def has_ended(self) -> bool:
        """Return whether the function has returned."""
        return not self._thread.is_alive()

    def result(self, deadline: float) -> T | None:
        """Return the result, or None if the call has not ended by the deadline.

        Args:
            deadline: In monotonic seconds.
        """
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return None if self._thread.is_alive() else self._result

    def _run(self) -> None:
        with unforked():
            self._result = self._function()
