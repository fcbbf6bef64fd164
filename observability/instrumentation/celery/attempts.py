"""Record the attempts of tasks: a span, the wait, the run time and the outcome of each."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery.exceptions import Reject
from opentelemetry import context as context_api
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from .. import semconv
from ..metrics import bounded
from ..propagation import TraceContext
from ..spans import fail_span
from .attributes import message_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.trace import Span

    from ..telemetry import Telemetry

# Exception classes beyond the known ones that get a label value of their own.
MAX_OTHER_ERRORS = 20
_MAX_LOST = 100
_SAME_LOSS_SECONDS = 10.0
_STATES = {
    "SUCCESS": "succeeded",
    "RETRY": "retried",
    "REJECTED": "rejected",
    "IGNORED": "rejected",
}
_current = threading.local()


@dataclass
class Attempt:
    """One run of a task's body."""

    task: str
    queue: str
    span: Span
    token: Any
    started: float
    retried_because: BaseException | None = None


def mark_retried(error: BaseException) -> None:
    """Count the running attempt as retried: it failed, and another one is scheduled.

    For tasks that are rescheduled by other means than Celery's, and then return normally.
    """
    attempt = getattr(_current, "attempt", None)
    if attempt is not None:
        attempt.retried_because = error


class AttemptRecorder:
    """The receiver of Celery's signals about attempts."""

    def __init__(
        self,
        start: Callable[[], Telemetry],
        task_queues: Mapping[str, str],
        error_types: Sequence[str],
        known_queues: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._start = start
        self._task_queues = task_queues
        self._known_queues = known_queues
        self._error_types = set(error_types)
        self._max_errors = len(self._error_types) + MAX_OTHER_ERRORS
        self._running: dict[str, Attempt] = {}
        self._lost: dict[str, float] = {}
        self._instruments: _Instruments | None = None

    def prepare(self) -> None:
        """Create all known series at 0."""
        self._counters()

    @cached_property
    def _queues(self) -> frozenset[str]:
        # Read late: an app completes its configuration after it was instrumented.
        return frozenset((*self._task_queues.values(), *self._known_queues()))

    def _counters(self) -> _Instruments:
        if self._instruments is None:
            self._instruments = _Instruments(self._start())
            self._instruments.zero(self._task_queues, sorted(self._error_types))
        return self._instruments

    def on_start(self, task_id: str, task: Any, **_: Any) -> None:
        """Start the span of an attempt and observe how long it waited."""
        request = task.request
        name = bounded(task.name, task.app.tasks)
        queue = bounded(_routing_key(request), self._queues)
        counters = self._counters()
        parent = TraceContext.from_headers(request).to_context()
        span = counters.telemetry.tracer.start_span(
            f"process {queue}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes={
                **message_attributes("process", queue, name, task_id),
                semconv.ATTR_CELERY_TASK_ATTEMPT: _attempt_number(request),
            },
        )
        token = context_api.attach(set_span_in_context(span, parent))
        attempt = Attempt(name, queue, span, token, time.perf_counter())
        _current.attempt = self._running[task_id] = attempt
        waited = queue_wait_seconds(request, time.time())
        if waited is not None:
            counters.wait.labels(queue, name).observe(waited)

    def on_end(self, task_id: str, retval: Any = None, state: str | None = None, **_: Any) -> None:
        """Count the outcome of an attempt, observe its run time and end its span."""
        attempt = self._running.pop(task_id, None)
        if attempt is None:
            return
        _current.attempt = None
        if state is None:
            # The process is being killed, by a time limit for example; on_lost counts that.
            attempt.span.set_status(StatusCode.ERROR, "the process was killed")
        else:
            self._settle(attempt, state, retval)
        attempt.span.end()
        context_api.detach(attempt.token)

    def _settle(self, attempt: Attempt, state: str, retval: Any) -> None:
        outcome = _STATES.get(state, "failed")
        error = _error_of(outcome, retval)
        if attempt.retried_because is not None:
            outcome, error = "retried", attempt.retried_because
        seconds = time.perf_counter() - attempt.started
        self._count(attempt.queue, attempt.task, outcome, error)
        self._counters().duration.labels(attempt.queue, attempt.task, outcome).observe(seconds)
        if error is not None:
            fail_span(attempt.span, error)
        elif outcome == "failed":
            attempt.span.set_status(StatusCode.ERROR, str(retval)[:1000])

    def on_lost(self, sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
        """Count, in the main process, an attempt that a lost or killed child cannot count."""
        if task_id in self._running or os.getpid() != _main_process.get("pid"):
            return
        if isinstance(exception, Reject) or self._is_repeated(task_id):
            return
        name = bounded(getattr(sender, "name", ""), self._task_queues)
        self._count(self._task_queues.get(name, semconv.OTHER), name, "failed", exception)

    def _is_repeated(self, task_id: str) -> bool:
        # A hard time limit sends task_failure twice: when it strikes, and when the child is gone.
        # https://github.com/celery/celery/pull/10226
        now = time.monotonic()
        last, self._lost[task_id] = self._lost.pop(task_id, None), now
        if len(self._lost) > _MAX_LOST:
            del self._lost[next(iter(self._lost))]
        return last is not None and now - last < _SAME_LOSS_SECONDS

    def _count(self, queue: str, task: str, outcome: str, error: BaseException | None) -> None:
        counters = self._counters()
        counters.tasks.labels(queue, task, outcome).inc()
        if error is not None:
            counters.errors.labels(queue, task, self._error_class(error)).inc()

    def _error_class(self, error: BaseException) -> str:
        name = type(error).__name__
        if name not in self._error_types and len(self._error_types) >= self._max_errors:
            return semconv.OTHER
        self._error_types.add(name)
        return name


_main_process: dict[str, int] = {}


def remember_main_process() -> None:
    """Record that this process is the main one, whose children run tasks."""
    _main_process["pid"] = os.getpid()


class _Instruments:
    def __init__(self, telemetry: Telemetry) -> None:
        metrics = telemetry.metrics
        self.telemetry = telemetry
        self.wait = metrics.histogram(semconv.CELERY_TASK_QUEUE_WAIT)
        self.duration = metrics.histogram(semconv.CELERY_TASK_DURATION)
        self.tasks = metrics.counter(semconv.CELERY_TASKS)
        self.errors = metrics.counter(semconv.CELERY_TASK_ERRORS)

    def zero(self, task_queues: Mapping[str, str], error_types: Sequence[str]) -> None:
        for task, queue in task_queues.items():
            self.wait.labels(queue, task)
            self.errors.zero((queue, task, error) for error in error_types)
            for state in semconv.TASK_STATES:
                self.duration.labels(queue, task, state)
                self.tasks.labels(queue, task, state)


def queue_wait_seconds(request: Any, now: float) -> float | None:
    """Return how long a message waited since it was due, or None if its due time is unknown.

    A message with an ETA, as Celery's own retries have, is due then and not when it was sent.
    Celery records neither: https://github.com/celery/celery/issues/5696
    """
    try:
        due = float(request.get(semconv.HEADER_ENQUEUED_AT))
    except (TypeError, ValueError):
        return None
    eta = request.get("eta")
    if eta:
        try:
            due = max(due, datetime.fromisoformat(str(eta)).timestamp())
        except ValueError:
            return None
    return max(0.0, now - due)


def _routing_key(request: Any) -> str:
    return str((request.get("delivery_info") or {}).get("routing_key") or "")


def _attempt_number(request: Any) -> int:
    try:
        first = int(request.get(semconv.HEADER_ATTEMPT) or 1)
    except (TypeError, ValueError):
        first = 1
    return first + int(request.get("retries") or 0)


def _error_of(outcome: str, retval: Any) -> BaseException | None:
    """Return the exception behind an outcome; a retry carries its own."""
    if outcome == "retried":
        cause = getattr(retval, "exc", None)
        return cause if isinstance(cause, BaseException) else None
    if outcome == "failed" and isinstance(retval, BaseException):
        return retval
    return None
