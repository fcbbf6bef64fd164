"""The delay before a retry: exponential backoff with a limit and jitter."""

from __future__ import annotations

import random
from datetime import timedelta

FIRST = timedelta(seconds=1)
LONGEST = timedelta(seconds=30)


def delay(attempt: int, draw: float | None = None) -> timedelta:
    """Return how long to wait after an attempt that failed.

    The upper bound doubles with each attempt; half of it is fixed, half is random, so that orders
    that failed at the same time are not retried at the same time.

    Args:
        attempt: The attempt that failed, from 1.
        draw: Ratio, 0-1; random by default.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter", equal jitter.
    """
    ratio = random.random() if draw is None else draw  # noqa: S311 - jitter needs no secrecy
    bound = min(FIRST * 2 ** min(attempt - 1, 16), LONGEST)
    return timedelta(seconds=bound.total_seconds() / 2 * (1 + ratio))
