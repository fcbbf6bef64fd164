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

    Forks wait while it runs, so it may open connections.

    Args:
        function: To call; it must not raise.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._thread: threading.Thread | None = None
        self._result: T | None = None

    def begin(self) -> None:
        """Start a call, unless the previous one is still running."""
        if self._thread is None or not self._thread.is_alive():
            self._result = None
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def result(self, deadline: float) -> T | None:
        """Return the result, or None if the call has not ended by the deadline.

        Args:
            deadline: In monotonic seconds.
        """
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
            if self._thread.is_alive():
                return None
        return self._result

    def _run(self) -> None:
        with unforked():
            self._result = self._function()
