"""Decide how to handle a failed attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from service.errors import OrderNotFoundError, StoreUnavailableError
from worker.errors import CircuitOpenError, PermanentError, TransientError
from worker.tasks.backoff import delay

MAX_ATTEMPTS = 10


class Action(Enum):
    """The actions on the row and the message of a failed attempt."""

    HAND_BACK = auto()
    RESCHEDULE = auto()
    DEAD_LETTER = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a failed attempt.

    Args:
        due_in: How long a rescheduled row waits.
        counts: Whether a rescheduled row moves on to its next attempt.
    """

    action: Action
    due_in: timedelta = timedelta(0)
    counts: bool = True


def classify(error: Exception, attempt: int) -> Decision:
    """Return how to handle a failed attempt.

    - The database is away: nothing can be written, the broker must deliver the message again.
    - The circuit is open: no call was made, the same attempt is due again after the next probe.
    - The error is permanent, or this was the last attempt: the task is a dead letter.
    - Anything else, a time limit included: the next attempt is due later.

    Args:
        error: Why it failed.
        attempt: The attempt that failed, from 1.
    """
    if isinstance(error, StoreUnavailableError):
        return Decision(Action.HAND_BACK)
    if isinstance(error, CircuitOpenError):
        wait = delay(1) + (error.retry_after or delay(1))
        return Decision(Action.RESCHEDULE, wait, counts=False)
    if isinstance(error, PermanentError | OrderNotFoundError) or attempt >= MAX_ATTEMPTS:
        return Decision(Action.DEAD_LETTER)
    wait = delay(attempt)
    if isinstance(error, TransientError) and error.retry_after:
        wait = max(wait, error.retry_after)
    return Decision(Action.RESCHEDULE, wait)
