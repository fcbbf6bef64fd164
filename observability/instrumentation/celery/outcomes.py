"""The outcomes of messages, each counted once, by whichever process learns of it first.

The process that ran a task knows how it ended; the main process knows of messages that never ran,
and of attempts whose process was killed. Both count into the same families.
"""

from __future__ import annotations

import itertools
import mmap
from functools import cached_property
from typing import TYPE_CHECKING, Any

import celery.app.base

from .. import semconv
from ..metrics import bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from celery import Celery

    from ..metrics import Metrics

# Exception classes beyond the known ones that get a label value of their own.
MAX_OTHER_ERRORS = 20
# A key in the request's `properties`: these reach the child, and a retry does not copy them into
# the headers of the next message.
_NUMBER = "observability_attempt"
# More than the attempts that can end while the death of a child is being noticed.
_CELLS = 1 << 15


class Claims:
    """The numbers of attempts that were counted, in memory that children inherit at the fork.

    A number is kept until 32,768 more attempts have begun.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * _CELLS)).cast("Q")
        self._numbers = itertools.count(1)

    def issue(self) -> int:
        """Return the number of a new attempt."""
        return next(self._numbers)

    def claim(self, number: int | None) -> bool:
        """Return whether the attempt was not counted yet, and note that it is now.

        An attempt without a number, of a worker that does not issue them, is never refused.
        """
        if number is None:
            return True
        cell = number % _CELLS
        if self._cells[cell] == number:
            return False
        self._cells[cell] = number
        return True


class Outcomes:
    """The outcomes of one app's messages and attempts, in a process of its worker.

    Args:
        app: The app that the worker runs.
        task_queues: The known tasks and their queues; their series exist at 0.
        error_types: The known names of exception classes.
        known_queues: Queues that may be label values, with those of `task_queues`.
    """

    def __init__(
        self,
        app: Celery,
        task_queues: Mapping[str, str],
        error_types: Sequence[str],
        known_queues: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.app = app
        # Whether the processes that run tasks see the claims of this one: not if they are spawned.
        self.shares_memory = True
        self._task_queues = task_queues
        self._known_queues = known_queues
        self._claims = Claims()
        self._cut_short: set[int | None] = set()
        self._error_types = set(error_types)
        self._max_errors = len(self._error_types) + MAX_OTHER_ERRORS
        self._counters: tuple[Any, Any] | None = None

    @cached_property
    def _queues(self) -> frozenset[str]:
        # Read late: an app completes its configuration after it was instrumented.
        return frozenset((*self._task_queues.values(), *self._known_queues()))

    def prepare(self, metrics: Metrics) -> None:
        """Create all known series at 0; nothing is counted before."""
        tasks = metrics.counter(semconv.CELERY_TASKS)
        errors = metrics.counter(semconv.CELERY_TASK_ERRORS)
        for task, queue in self._task_queues.items():
            errors.zero((queue, task, error) for error in sorted(self._error_types))
            known = (state for state in semconv.TASK_STATES if state != "unknown")
            tasks.zero((queue, task, state) for state in known)
        for queue in set(self._task_queues.values()):
            tasks.zero((queue, semconv.OTHER, state) for state in ("unknown", "rejected"))
        self._counters = tasks, errors

    def belong_to(self, app: Celery) -> bool:
        """Return whether this app is the one that is counted here."""
        # A child that was not forked has unpickled the worker's app: it is a copy.
        is_copy = celery.app.base.USING_EXECV and app.main == self.app.main
        return app is self.app or is_copy

    def labels(self, request: Any, task: str) -> tuple[str, str]:
        """Return queue and task of a request, or `_OTHER` for those that are not known.

        A routing key need not be the name of a queue: topic exchanges and the delays of quorum
        queues have others. The queue is then the one that the task is sent to.
        """
        queue = str((request.get("delivery_info") or {}).get("routing_key") or "")
        if queue not in self._queues:
            queue = self._task_queues.get(task, semconv.OTHER)
        return queue, bounded(task, self.app.tasks)

    def number(self, request: dict[str, Any]) -> None:
        """Give a request that has just been received the number of its attempt."""
        # A copy, since the broker's message holds the same dictionary.
        request["properties"] = {**(request.get("properties") or {}), _NUMBER: self._claims.issue()}

    def cut_short(self, request: Any) -> None:
        """Note that an attempt ended without a result; its request is told why, and counts it."""
        self._cut_short.add(_number(request))

    def was_cut_short(self, request: Any) -> bool:
        """Return whether an attempt in this process ended without a result."""
        return _number(request) in self._cut_short

    def count(
        self,
        request: Any,
        labels: tuple[str, str],
        outcome: str,
        error: BaseException | None = None,
    ) -> bool:
        """Count an outcome and the class of its error; return false if the attempt was counted."""
        number = _number(request)
        self._cut_short.discard(number)
        if self._counters is None or not self._claims.claim(number):
            return False
        tasks, errors = self._counters
        tasks.labels(*labels, outcome).inc()
        if error is not None:
            errors.labels(*labels, self._error_class(error)).inc()
        return True

    def _error_class(self, error: BaseException) -> str:
        name = type(error).__name__
        if name not in self._error_types:
            if len(self._error_types) >= self._max_errors:
                return semconv.OTHER
            self._error_types.add(name)
        return name


def _number(request: Any) -> int | None:
    number = (request.get("properties") or {}).get(_NUMBER)
    return number if isinstance(number, int) else None
