"""A circuit breaker: stop calling a dependency that fails, so that an outage costs no timeouts.

It only keeps the state: the caller asks `allows()` first, and reports `succeeded()` or `failed()`
afterwards. A closed breaker costs a few reads of a list, so it can guard a cached read.

Source: M. Nygard, "Release It!"; https://martinfowler.com/bliki/CircuitBreaker.html
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STATES = ("closed", "half-open", "open")
CLOSED, HALF_OPEN, OPEN = range(3)
# Indexes of the cells.
STATE, FAILURES, NEXT_PROBE = range(3)


class CircuitBreaker:
    """The state of one dependency: closed, open or half-open.

    Failures in a row open it. After a pause one caller may probe, and the others wait: its success
    closes the breaker, its failure opens it again. A probe that never reports back blocks the
    others for one more pause only.

    Args:
        pause_seconds: How long no call is allowed once it is open.
        max_failures: Failures in a row that open it.
        cells: Three numbers that hold the state. In memory that is mapped before a fork, they make
            one breaker for all child processes.
        on_change: Called with the new state, by the process that changed it.
        clock: Monotonic seconds, the same in all processes that share the state.
    """

    def __init__(
        self,
        pause_seconds: float,
        *,
        max_failures: int = 1,
        cells: list[float] | memoryview[float] | None = None,
        on_change: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pause_seconds = pause_seconds
        self._max_failures = max_failures
        self._cells = [0.0, 0.0, 0.0] if cells is None else cells
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """The state: `closed`, `half-open` or `open`."""
        return STATES[int(self._cells[STATE])]

    @property
    def seconds_to_probe(self) -> float:
        """Seconds until a call may be allowed again; 0 if it may be now."""
        return max(0.0, self._cells[NEXT_PROBE] - self._clock())

    @property
    def seconds_overdue(self) -> float:
        """Seconds for which an open breaker has waited for a caller to probe; 0 if it is closed."""
        return max(0.0, self._clock() - self._cells[NEXT_PROBE]) if self._cells[STATE] else 0.0

    def allows(self) -> bool:
        """Return whether to make a call now; after a pause only one caller may."""
        if not self._cells[STATE]:
            return True
        with self._lock:
            now = self._clock()
            if now < self._cells[NEXT_PROBE]:
                return False
            self._cells[NEXT_PROBE] = now + self._pause_seconds
            self._change(HALF_OPEN)
            return True

    def failed(self) -> bool:
        """Count a failure; return True if it opened a closed breaker."""
        with self._lock:
            was_closed = not self._cells[STATE]
            self._cells[FAILURES] += 1
            if was_closed and self._cells[FAILURES] < self._max_failures:
                return False
            self._cells[NEXT_PROBE] = self._clock() + self._pause_seconds
            self._change(OPEN)
            return was_closed

    def succeeded(self) -> bool:
        """Count a success; return True if it closed the breaker.

        A call that began before the breaker opened may succeed afterwards. That outweighs one
        failure, but not several in a row: then the breaker stays open until it is probed.
        """
        if not self._cells[STATE] and not self._cells[FAILURES]:
            return False
        with self._lock:
            if self._cells[STATE] == OPEN and self._max_failures > 1:
                return False
            was_open = bool(self._cells[STATE])
            self._cells[FAILURES] = 0
            self._change(CLOSED)
            return was_open

    def _change(self, state: int) -> None:
        if self._cells[STATE] != state:
            self._cells[STATE] = state
            self._on_change(STATES[state])
