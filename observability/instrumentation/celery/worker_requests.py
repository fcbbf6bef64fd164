"""The messages of a worker as its main process sees them: also those that never run or never end.

Celery sends no signal when a child was killed and the message goes back to the broker
(https://github.com/celery/celery/pull/5700), and its signals tell attempts apart by task id only.
So the class of the worker's requests is extended, which `Task.Request` is for:
https://github.com/celery/celery/pull/3977
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from celery.exceptions import (
    Ignore,
    NotRegistered,
    Reject,
    Retry,
    Terminated,
    TimeLimitExceeded,
    WorkerLostError,
)
from celery.utils.imports import symbol_by_name
from celery.worker import state

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outcomes import Outcomes

_logger = logging.getLogger(__name__)


class MessageRecorder:
    """The receiver of Celery's signals about messages that do not run, or not to their end."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def extend_requests(self) -> None:
        """Extend the request class of each task, before the worker starts."""
        extended: dict[type, type] = {}
        for task in self._outcomes.app.tasks.values():
            base = symbol_by_name(task.Request)
            if not issubclass(base, CountedRequest):
                if base not in extended:
                    names = {"outcomes": self._outcomes, "__module__": __name__}
                    extended[base] = type(base.__name__, (CountedRequest, base), names)
                task.Request = extended[base]

    def watch(self, consumer: Any) -> None:
        """Count messages that cannot be decoded: the consumer drops them and sends no signal."""
        drop = consumer.on_decode_error

        def on_decode_error(message: Any, error: Exception) -> None:
            drop(message, error)
            self.on_rejected(consumer, message)

        consumer.on_decode_error = on_decode_error

    def on_revoked(self, sender: Any, request: Any, *, expired: bool = False, **_: Any) -> None:
        """Count a message that was revoked or had expired, before it ran or while it did."""
        if sender.app is self._outcomes.app:
            labels = self._outcomes.labels(request, sender.name)
            self._outcomes.count(request, labels, "expired" if expired else "revoked")

    def on_unknown(self, sender: Any, message: Any, exc: BaseException, **_: Any) -> None:
        """Count a message for a task that this worker does not have."""
        self._count_unread(sender, message, "unknown", NotRegistered(exc))

    def on_rejected(self, sender: Any, message: Any, **_: Any) -> None:
        """Count a message that cannot be read."""
        self._count_unread(sender, message, "rejected")

    def _count_unread(
        self, consumer: Any, message: Any, outcome: str, error: BaseException | None = None
    ) -> None:
        if consumer.app is self._outcomes.app:
            request = {"delivery_info": message.delivery_info}
            labels = self._outcomes.labels(request, str((message.headers or {}).get("task")))
            self._outcomes.count(request, labels, outcome, error)


class CountedRequest:
    """The part of a request's class that counts attempts which their own process did not count."""

    outcomes: Outcomes
    request_dict: dict[str, Any]
    task: Any
    id: str
    time_start: float | None
    _apply_result: Any
    _already_cancelled: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes.number(self.request_dict)

    def __init_subclass__(cls, **options: Any) -> None:
        """Extend `on_success`, which Celery replaces in a subclass that it makes for each task."""
        super().__init_subclass__(**options)
        if "on_success" in cls.__dict__:
            cls.on_success = _then_count(cls.__dict__["on_success"])  # type: ignore[attr-defined]

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Handle an error as Celery does, then count the attempt."""
        try:
            return super().on_failure(exc_info, *args, **kwargs)  # type: ignore[misc]
        finally:
            # `return_ok`: the process that ran the task lives and reported this error.
            self._count_error(exc_info, ran=bool(kwargs.get("return_ok")))

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Handle a time limit as Celery does, then count the attempt if the limit ended it."""
        try:
            super().on_timeout(soft, timeout)  # type: ignore[misc]
        finally:
            if not soft:
                self._count("failed", TimeLimitExceeded(timeout))

    def reject(self, requeue: bool = False) -> None:
        """Hand a message back as Celery does, then count it if it was never given to the pool."""
        super().reject(requeue)  # type: ignore[misc]
        if self.time_start is None and self._apply_result is None:
            self._count("rejected")

    def count_result(self, result: Any) -> None:
        """Count an attempt by what its pool reports at the end."""
        if isinstance(result, ExceptionInfo):
            # A task in a thread or greenlet raised SystemExit, for example.
            self._count_error(result)
        elif self.outcomes.was_cut_short(self.request_dict):
            # gevent reports a greenlet that was killed as a success.
            self._count("revoked" if self.id in state.revoked else "lost")
        elif not result[0]:
            # Not counted yet only if it did not run: Celery knew that it had succeeded before.
            self._count("succeeded", ran=True)

    def _count_error(self, info: Any, *, ran: bool = False) -> None:
        error = getattr(info.exception, "exc", info.exception)
        if isinstance(error, Terminated):
            self._count("lost" if self._already_cancelled else "revoked")
        elif isinstance(error, WorkerLostError | SystemExit | KeyboardInterrupt):
            self._count("lost", error)
        elif isinstance(error, Reject | Ignore):
            self._count("rejected", ran=ran)
        elif isinstance(error, Retry):
            self._count("retried", ran=ran)
        else:
            self._count("failed", error, ran=ran)

    def _count(
        self, outcome: str, error: BaseException | None = None, *, ran: bool = False
    ) -> None:
        # A process that reports the end of an attempt has counted it, unless it found that there
        # was nothing to run; only shared memory tells.
        if ran and not self.outcomes.shares_memory:
            return
        try:
            labels = self.outcomes.labels(self.request_dict, self.task.name)
            self.outcomes.count(self.request_dict, labels, outcome, error)
        except Exception:
            _logger.exception("the outcome of a task could not be counted")


def _then_count(on_success: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(on_success)
    def handle(request: CountedRequest, result: Any, **options: Any) -> Any:
        try:
            return on_success(request, result, **options)
        finally:
            request.count_result(result)

    return handle
