"""The errors of a task.

    WorkerError
    ├── TransientError                  worth another attempt, later
    │   ├── PaymentUnavailableError     the provider gave no valid answer
    │   ├── MailUnavailableError        the mail server did not take the message
    │   └── CircuitOpenError            not called: the dependency has just failed too often
    └── PermanentError                  another attempt would end the same way
        ├── PaymentRefusedError         the provider will never take the request
        ├── MailRefusedError            the mail server will never take the message
        ├── BadMessageError             the message cannot be understood
        ├── UnexpectedAnswerError       the answer contradicts what we know of the order
        └── TooManyStartsError          the task started too often and never ended

The class name is the `error_type` of metrics, spans and dead letters.
"""

from __future__ import annotations

from datetime import timedelta


class WorkerError(Exception):
    """Base class of all errors of this package."""


class TransientError(WorkerError):
    """A failure after which another attempt may succeed.

    Args:
        reason: What happened.
        retry_after: How long the dependency asked us to wait, if it did.
    """

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class PaymentUnavailableError(TransientError):
    """A payment provider that gave no valid answer."""


class MailUnavailableError(TransientError):
    """A mail server that did not take the message this time."""


class CircuitOpenError(TransientError):
    """A call that was not made; the attempt is rescheduled and does not count."""

    def __init__(self, dependency: str, retry_after: timedelta) -> None:
        super().__init__(f"the circuit of {dependency} is open", retry_after)
        self.dependency = dependency


class PermanentError(WorkerError):
    """A failure that another attempt would repeat."""


class PaymentRefusedError(PermanentError):
    """A request that the payment provider will never take."""


class MailRefusedError(PermanentError):
    """A message that the mail server will never take."""


class BadMessageError(PermanentError):
    """A message that cannot be understood."""


class UnexpectedAnswerError(PermanentError):
    """An answer that contradicts what we know; a person must look."""


class TooManyStartsError(PermanentError):
    """A task that started too often and never ended."""


ERROR_TYPES = (
    "PaymentUnavailableError",
    "MailUnavailableError",
    "CircuitOpenError",
    "PaymentRefusedError",
    "MailRefusedError",
    "BadMessageError",
    "UnexpectedAnswerError",
    "TooManyStartsError",
    "StoreUnavailableError",
    "OrderNotFoundError",
    "SoftTimeLimitExceeded",
    "WorkerLostError",
    "TimeLimitExceeded",
)
