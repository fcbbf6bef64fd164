"""One log line a minute about failed exports, however many fail."""

from __future__ import annotations

import logging
import time

_logger = logging.getLogger(__name__)

WARN_EVERY_SECONDS = 60.0


class FailureLog:
    """A count of failed exports, and one line a minute about them.

    Args:
        endpoint: Of the receiver, for the line.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._failures = 0
        self._warned_at = float("-inf")
        self.is_quiet = False

    def note(self, signal_name: str, problem: str) -> None:
        """Count a failure, and log it unless another was logged within the minute."""
        self._failures += 1
        now = time.monotonic()
        if now - self._warned_at < WARN_EVERY_SECONDS or self.is_quiet:
            return
        self._warned_at = now
        _logger.warning(
            "exporting %s to %s failed, %d failures so far: %s",
            signal_name,
            self._endpoint,
            self._failures,
            problem,
        )
