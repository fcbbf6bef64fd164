"""The queue of one signal, spans or log lines, and the interface of its sender."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport import Outcome


class Sender(Protocol):
    """An object that encodes batches and sends them to the receiver."""

    def send(self, signal: str, items: list[Any], timeout: float | None) -> tuple[Outcome, int]:
        """Send a batch; return the outcome and how many items were refused."""

    def close(self) -> None:
        """Close connections; a send that is waiting fails at once."""

    def forget(self) -> None:
        """Drop connections that belong to the parent of this process."""


class Signal:
    """One signal: its queue, its current batch and its counters."""

    def __init__(
        self,
        name: str,
        capacity: int,
        *,
        exported: Callable[[float], None],
        dropped: Callable[[str, float], None],
    ) -> None:
        self.name = name
        self.capacity = capacity
        self.exported = exported
        self.dropped = dropped
        self.reset()

    def reset(self) -> None:
        """Drop everything that is waiting."""
        self.queue: deque[Any] = deque()
        self.pending: list[Any] = []
        self.failures = 0
        self.retry_at = 0.0

    @property
    def waiting(self) -> int:
        """Return how many items are neither exported nor dropped yet."""
        return len(self.queue) + len(self.pending)

    def take(self, most: int) -> list[Any]:
        """Return the current batch; without one, move the oldest items into it."""
        if not self.pending:
            queue = self.queue
            self.pending = [queue.popleft() for _ in range(min(most, len(queue)))]
        return self.pending

    def settle(self) -> int:
        """End the current batch; return how many items it had."""
        count, self.pending, self.failures = len(self.pending), [], 0
        return count
