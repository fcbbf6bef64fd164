"""The counters of the spans and log lines of this process, the same for both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import semconv
from .pending import PendingCount

if TYPE_CHECKING:
    from ..metrics import Metrics
    from .receiver import Receiver


class ExportCounts:
    """The counters of what was ended, written, exported and dropped.

    Args:
        metrics: Makes them, at 0.
        receiver: Is told of each answer.
    """

    def __init__(self, metrics: Metrics, receiver: Receiver) -> None:
        self._receiver = receiver
        ended = metrics.counter(semconv.TELEMETRY_SPANS_ENDED)
        self.sampled = PendingCount(ended.labels("true").inc)
        self.unsampled = PendingCount(ended.labels("false").inc)
        self.lines = PendingCount(metrics.counter(semconv.TELEMETRY_LOG_LINES).labels().inc)
        self._exported = metrics.counter(semconv.TELEMETRY_SPANS_EXPORTED).labels()
        self._lines_exported = metrics.counter(semconv.TELEMETRY_LOG_LINES_EXPORTED).labels()
        self._dropped = metrics.counter(semconv.TELEMETRY_SPANS_DROPPED)
        self._dropped.zero([(reason,) for reason in semconv.DROP_REASONS])

    def exported(self, count: float) -> None:
        """Count spans that the receiver accepted."""
        self._exported.inc(count)
        self._receiver.note_answer()

    def lines_exported(self, count: float) -> None:
        """Count log lines that the receiver accepted."""
        self._lines_exported.inc(count)
        self._receiver.note_answer()

    def dropped(self, reason: str, count: float) -> None:
        """Count sampled spans that will never be delivered."""
        self._dropped.labels(reason).inc(count)

    def lines_dropped(self, reason: str, count: float) -> None:
        """Do nothing: a log line that is not delivered is still on standard output."""

    def settle(self) -> None:
        """Add what is pending to the counters."""
        for pending in (self.sampled, self.unsampled, self.lines):
            pending.settle()
