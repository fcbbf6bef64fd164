"""What a program prints, as log lines."""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import TextIO


class PrintedLines(io.TextIOBase):
    """A text stream whose lines are logged.

    Args:
        original: The stream that it replaces; programs that a task starts still write to it.
        logger: Takes the lines.
        level: Their severity.
    """

    def __init__(self, original: TextIO, logger: logging.Logger, level: int) -> None:
        self._original, self._logger, self._level = original, logger, level
        self._of_thread = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the original stream."""
        return self._original.encoding

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the original stream."""
        return self._original.fileno()

    def write(self, text: str) -> int:
        """Log the lines that are complete; the rest waits for its end."""
        *lines, rest = (getattr(self._of_thread, "rest", "") + str(text)).split("\n")
        self._of_thread.rest = rest
        for line in lines:
            self._log(line)
        return len(text)

    def flush(self) -> None:
        """Log what is there, with or without the end of its line."""
        rest, self._of_thread.rest = getattr(self._of_thread, "rest", ""), ""
        self._log(rest)

    def _log(self, line: str) -> None:
        # A handler that fails prints why, to this stream.
        if not line.strip() or getattr(self._of_thread, "is_logging", False):
            return
        self._of_thread.is_logging = True
        try:
            self._logger.log(self._level, "%s", line)
        finally:
            self._of_thread.is_logging = False


def log_prints(logger: logging.Logger, level: int) -> None:
    """Log what this process and its children print to standard output and standard error."""
    if not isinstance(sys.stdout, PrintedLines):
        sys.stdout = PrintedLines(sys.stdout, logger, level)
        sys.stderr = PrintedLines(sys.stderr, logger, level)
