"""Name everything that can go wrong in a task.

    WorkerError
    ├── TransientError                  worth another attempt, later
    │   ├── PaymentUnavailableError     the provider did not answer, or not with an answer
    │   ├── MailUnavailableError        the mail server did not take the message
    │   └── CircuitOpenError            nobody was asked: the dependency failed too often just now
    └── PermanentError                  another attempt would end the same way
        ├── PaymentRefusedError         the provider will never take the request
        ├── MailRefusedError            the mail server will never take the message
        ├── BadMessageError             the message makes no sense
        ├── UnexpectedAnswerError       the answer cannot be, as far as we know the order
        └── TooManyStartsError          the task began too often and never ended

The class name is the `error_type` of metrics, spans and dead letters.
"""

from __future__ import annotations

from datetime import timedelta


class WorkerError(Exception):
    """Be the base of all errors of this package."""


class TransientError(WorkerError):
    """Say that another attempt may succeed.

    Args:
        reason: What happened.
        retry_after: How long the other side asked us to wait, if it did.
    """

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class PaymentUnavailableError(TransientError):
    """Say that the payment provider did not answer, or not with an answer."""


class MailUnavailableError(TransientError):
    """Say that the mail server did not take the message this time."""


class CircuitOpenError(TransientError):
    """Say that nobody was asked; such an attempt is put off and does not count."""

    def __init__(self, dependency: str, retry_after: timedelta) -> None:
        super().__init__(f"the circuit of {dependency} is open", retry_after)
        self.dependency = dependency


class PermanentError(WorkerError):
    """Say that another attempt would end the same way."""


class PaymentRefusedError(PermanentError):
    """Say that the payment provider will never take this request."""


class MailRefusedError(PermanentError):
    """Say that the mail server will never take this message."""


class BadMessageError(PermanentError):
    """Say that a message makes no sense."""


class UnexpectedAnswerError(PermanentError):
    """Say that an answer contradicts what we know; a person must look."""


class TooManyStartsError(PermanentError):
    """Say that a task began too often and never ended."""


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
