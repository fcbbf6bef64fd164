"""Circuit breakers whose state all children of one worker share.

A breaker per child would have to learn each outage once per child, and probe it once per child.
The state lives in anonymous shared memory that the parent maps before it forks; the parent reads it
for the metrics, so a child that is idle or dead cannot leave an old state behind.
"""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pybreaker

from worker.errors import CircuitOpenError

logger = logging.getLogger(__name__)

STATES = (pybreaker.STATE_CLOSED, pybreaker.STATE_HALF_OPEN, pybreaker.STATE_OPEN)
# Cells of the shared memory.
STATE, FAILURES, SUCCESSES, OPENED_AT, PROBER = range(5)
FAIL_MAX = 5
RESET_SECONDS = 10.0

T = TypeVar("T")
Changed = Callable[[str, str], None]


class SharedStorage(pybreaker.CircuitBreakerStorage):
    """A breaker's state in memory that forked children share.

    One child probes at a time: to the others a half-open breaker looks open until `RESET_SECONDS`
    after the probe began, so a probing child that is killed blocks nobody for long.

    Args:
        name: The dependency.
        process: Returns the caller's process id.
        changed: Called with the dependency and its new state by the process that changed it.
    """

    def __init__(self, name: str, process: Callable[[], int], changed: Changed) -> None:
        super().__init__(name)
        self._process, self._changed = process, changed
        self._cells = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")

    @property
    def true_state(self) -> str:
        """Return the state as a reader outside the children sees it."""
        return STATES[int(self._cells[STATE])]

    @property
    def state(self) -> str:
        """Return the state as this process must act on it."""
        probed_by_another = self._cells[PROBER] != self._process()
        if self.true_state == pybreaker.STATE_HALF_OPEN and probed_by_another:
            return str(pybreaker.STATE_OPEN)
        return self.true_state

    @state.setter
    def state(self, state: str) -> None:
        if state == pybreaker.STATE_HALF_OPEN:
            self._cells[PROBER] = self._process()
            self.opened_at = datetime.now(UTC)
        before = self.true_state
        self._cells[STATE] = STATES.index(state)
        if before != state:
            logger.warning("circuit breaker changed", extra={"dependency": self.name, "to": state})
            self._changed(self.name, state)

    def increment_counter(self) -> None:
        """Count a failure."""
        self._cells[FAILURES] += 1

    def reset_counter(self) -> None:
        """Forget the failures."""
        self._cells[FAILURES] = 0

    def increment_success_counter(self) -> None:
        """Count a success of a probe."""
        self._cells[SUCCESSES] += 1

    def reset_success_counter(self) -> None:
        """Forget the successes of probes."""
        self._cells[SUCCESSES] = 0

    @property
    def counter(self) -> int:
        """Return the failures in a row."""
        return int(self._cells[FAILURES])

    @property
    def success_counter(self) -> int:
        """Return the successes of probes in a row."""
        return int(self._cells[SUCCESSES])

    @property
    def opened_at(self) -> datetime | None:
        """Return when the breaker opened, or when its last probe began."""
        seconds = self._cells[OPENED_AT]
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    @opened_at.setter
    def opened_at(self, when: datetime) -> None:
        self._cells[OPENED_AT] = when.timestamp()


class Circuit:
    """Call a dependency unless it failed five times in a row less than ten seconds ago.

    Args:
        storage: Where the state lives; mapped before the fork.
        is_outage: Whether an error says that the dependency is down, rather than that it answered.
    """

    def __init__(
        self, storage: SharedStorage, *, is_outage: Callable[[BaseException], bool]
    ) -> None:
        self._storage = storage
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=FAIL_MAX,
            reset_timeout=RESET_SECONDS,
            exclude=[lambda error: not is_outage(error)],
            state_storage=storage,
            name=storage.name,
            throw_new_error_on_trip=False,
        )

    def call(self, work: Callable[[], T]) -> T:
        """Do the work, or raise CircuitOpenError without doing it.

        Raises:
            CircuitOpenError: Nobody was asked; says when the next probe may run.
        """
        try:
            return self._breaker.call(work)
        except pybreaker.CircuitBreakerError as error:
            opened_at = self._storage.opened_at or datetime.now(UTC)
            left = opened_at + timedelta(seconds=RESET_SECONDS) - datetime.now(UTC)
            raise CircuitOpenError(self._storage.name, max(left, timedelta(0))) from error
