"""Log lines that were written before the name of their service was known."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .log_line import Line

MOST_LINES = 200


class WaitingLines:
    """A sink that keeps the latest lines, until telemetry starts and takes them over."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)

    def written(self, line: Line) -> None:
        """Keep a line; beyond MOST_LINES the oldest one is dropped."""
        self._lines.append(line)

    def take(self) -> list[Line]:
        """Return the lines and forget them."""
        lines = list(self._lines)
        self._lines.clear()
        return lines
