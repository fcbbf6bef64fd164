"""Queue one kind of item for its export, and say what can carry it away."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport import Verdict


class Sender(Protocol):
    """Encode a batch and carry it to the receiver."""

    def send(self, signal: str, items: list[Any], timeout: float | None) -> tuple[Verdict, int]:
        """Send a batch; return what became of it and how many items were refused."""

    def close(self) -> None:
        """Close connections; a send that waits fails at once."""

    def forget(self) -> None:
        """Drop what belongs to the parent of this process."""


class Signal:
    """One kind of item: its queue, its batch under way, and its counters."""

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
        """Forget everything that waits."""
        self.queue: deque[Any] = deque()
        self.pending: list[Any] = []
        self.failures = 0
        self.retry_at = 0.0

    @property
    def waiting(self) -> int:
        """Return how many items were neither delivered nor dropped."""
        return len(self.queue) + len(self.pending)

    def take(self, most: int) -> list[Any]:
        """Move the oldest items into the batch under way, unless there is one."""
        if not self.pending:
            queue = self.queue
            self.pending = [queue.popleft() for _ in range(min(most, len(queue)))]
        return self.pending

    def settle(self) -> int:
        """End the batch under way; return how many items it had."""
        count, self.pending, self.failures = len(self.pending), [], 0
        return count
