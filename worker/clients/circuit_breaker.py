"""Circuit breakers whose state all child processes of one worker share.

A breaker per child would have to learn each outage once per child, and probe it once per child.
The state lives in anonymous shared memory that the main process maps before it forks; the main
process reads it for the metrics, so an idle or dead child cannot leave an old state behind.
"""

from __future__ import annotations

import logging
import mmap
import time
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from service.circuit_breaker import CircuitBreaker
from worker.errors import CircuitOpenError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

MAX_FAILURES = 5
PAUSE_SECONDS = 10.0

T = TypeVar("T")


class SharedCircuitBreaker(CircuitBreaker):
    """A dependency's breaker: five outages in a row, and no child calls it for ten seconds.

    Args:
        name: The dependency.
        is_outage: Whether an error means that the dependency is down, not a refusal.
        on_change: Called with the dependency and its new state, by the process that changed it.
        clock: As for `CircuitBreaker`.
    """

    def __init__(
        self,
        name: str,
        is_outage: Callable[[BaseException], bool],
        on_change: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            PAUSE_SECONDS,
            max_failures=MAX_FAILURES,
            cells=memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d"),
            on_change=self._report,
            clock=clock,
        )
        self.name = name
        self._is_outage = is_outage
        self._changed = on_change

    def call(self, work: Callable[[], T]) -> T:
        """Call the dependency, unless the breaker is open.

        Raises:
            CircuitOpenError: It was not called; the error has the time until the next probe.
        """
        if not self.allows():
            raise CircuitOpenError(self.name, timedelta(seconds=self.seconds_to_probe))
        try:
            answer = work()
        except BaseException as error:
            if self._is_outage(error):
                self.failed()
            else:
                self.succeeded()
            raise
        self.succeeded()
        return answer

    def _report(self, state: str) -> None:
        logger.warning("circuit breaker changed", extra={"dependency": self.name, "to": state})
        self._changed(self.name, state)
