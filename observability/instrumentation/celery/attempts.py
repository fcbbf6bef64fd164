"""Record the attempts of tasks: a span, the wait, the run time and the outcome of each."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery import current_task
from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, set_span_in_context

from .. import semconv
from ..propagation import TraceContext
from ..spans import fail_span
from .attributes import message_attributes
from .producer import is_traced_by_contrib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import Span

    from ..telemetry import Telemetry
    from .outcomes import Outcomes

_STATES = {
    "SUCCESS": "succeeded",
    "RETRY": "retried",
    "REJECTED": "rejected",
    "IGNORED": "rejected",
}
_current = threading.local()


@dataclass(slots=True)
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
    if attempt is not None and not current_task.request.is_eager:
        attempt.retried_because = error


class AttemptRecorder:
    """The receiver of Celery's signals about the attempts of one app."""

    def __init__(
        self,
        start: Callable[[], Telemetry],
        task_queues: Mapping[str, str],
        outcomes: Outcomes,
    ) -> None:
        self._start = start
        self._task_queues = task_queues
        self._outcomes = outcomes
        self._instruments: _Instruments | None = None

    def prepare(self) -> None:
        """Create all known series at 0."""
        self._counters()

    def _counters(self) -> _Instruments:
        if self._instruments is None:
            telemetry = self._start()
            self._outcomes.prepare(telemetry.metrics)
            self._instruments = _Instruments(telemetry)
            self._instruments.zero(self._task_queues)
        return self._instruments

    def on_start(self, task_id: str, task: Any, **_: Any) -> None:
        """Start the span of an attempt and observe how long it waited."""
        request = task.request
        # A task that is called eagerly is no message: it is part of the trace of its caller.
        if request.is_eager or not self._outcomes.belong_to(task.app):
            return
        counters = self._counters()
        queue, name = self._outcomes.labels(request, task.name)
        if is_traced_by_contrib():
            # Its span is the current one: it ends that span, before `on_end`, and sets its status.
            span: Span = INVALID_SPAN
            token = None
        else:
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
        # On the request: a task id does not tell two deliveries of one message apart.
        _current.attempt = request.observability_attempt = attempt
        waited = queue_wait_seconds(request, time.time())
        if waited is not None:
            counters.wait.labels(queue, name).observe(waited)

    def on_end(self, task: Any, retval: Any = None, state: str | None = None, **_: Any) -> None:
        """Count the outcome of an attempt, observe its run time and end its span."""
        request = task.request
        attempt = getattr(request, "observability_attempt", None)
        if attempt is None or not self._outcomes.belong_to(task.app):
            return
        _current.attempt = None
        if state is None:
            # A time limit, a revocation or SystemExit cuts it short; the request counts that.
            self._outcomes.cut_short(request)
            attempt.span.set_status(StatusCode.ERROR, "the attempt was cut short")
        else:
            self._settle(attempt, request, state, retval)
        attempt.span.end()
        if attempt.token is not None:
            context_api.detach(attempt.token)

    def _settle(self, attempt: Attempt, request: Any, state: str, retval: Any) -> None:
        outcome = _STATES.get(state, "failed")
        error = _error_of(outcome, retval)
        if attempt.retried_because is not None:
            outcome, error = "retried", attempt.retried_because
        labels = (attempt.queue, attempt.task)
        if self._outcomes.count(request, labels, outcome, error):
            seconds = time.perf_counter() - attempt.started
            self._counters().duration.labels(*labels, outcome).observe(seconds)
        if error is not None:
            fail_span(attempt.span, error)
        elif outcome == "failed":
            attempt.span.set_status(StatusCode.ERROR, str(retval)[:1000])


class _Instruments:
    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self.wait = telemetry.metrics.histogram(semconv.CELERY_TASK_QUEUE_WAIT)
        self.duration = telemetry.metrics.histogram(semconv.CELERY_TASK_DURATION)

    def zero(self, task_queues: Mapping[str, str]) -> None:
        for task, queue in task_queues.items():
            self.wait.labels(queue, task)
            for state in semconv.TASK_RUN_STATES:
                self.duration.labels(queue, task, state)


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
