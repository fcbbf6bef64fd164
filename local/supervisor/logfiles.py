"""Rotate log files, and read their last lines."""

from __future__ import annotations

import os
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024
WINDOW_BYTES = 256 * 1024


def rotate(log: Path, max_bytes: int = MAX_BYTES) -> bool:
    """Move a log file's text to `NAME.log.1` if it is too long, and truncate the file.

    The writers keep their descriptors, opened for appending, so the file itself stays. A line
    written between the copy and the truncation is lost.

    Returns:
        Whether the file was too long.

    Raises:
        OSError: There is no room for the copy; the file stays as it is.
    """
    try:
        if log.stat().st_size <= max_bytes:
            return False
    except FileNotFoundError:
        return False
    old = log.with_name(log.name + ".1")
    try:
        with log.open("rb") as source, old.open("wb") as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)
    except OSError:
        old.unlink(missing_ok=True)
        raise
    os.truncate(log, 0)
    return True


def last_lines(log: Path, count: int, end: int | None = None) -> list[str]:
    """Return the last lines of a log file; none if the file does not exist.

    Args:
        log: The file.
        count: How many lines at most, out of the last 256 KiB.
        end: Read the file only up to this byte.
    """
    try:
        with log.open("rb") as source:
            end = source.seek(0, os.SEEK_END) if end is None else end
            source.seek(max(0, end - WINDOW_BYTES))
            text = source.read(end - source.tell()).decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-count:] if count > 0 else []
