"""Durations as Prometheus writes them: 5m, 1h, 30d, 150s."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
WRITTEN = ("d", "h", "m", "s", "ms")
PART = re.compile(r"(\d+)(ms|[wdhms])")


def parse(text: str) -> timedelta:
    """Return the duration that a text such as `1h30m` means.

    Raises:
        ValueError: The text is not a Prometheus duration.
    """
    if not re.fullmatch(rf"({PART.pattern})+", text):
        raise ValueError(f"{text!r} is not a duration; expected a text such as 5m, 1h or 30d")
    return sum((int(n) * UNITS[unit] for n, unit in PART.findall(text)), timedelta())


def show(span: timedelta) -> str:
    """Return a duration in the largest unit that divides it."""
    for unit in WRITTEN:
        if span % UNITS[unit] == timedelta():
            return f"{span // UNITS[unit]}{unit}"
    raise ValueError(f"{span} is finer than a millisecond")


def seconds(span: timedelta) -> str:
    """Return a duration in seconds, as PromQL writes a number."""
    return number(span.total_seconds())


def number(value: float) -> str:
    """Return a number without float noise: 0.001, 14.4, 3600."""
    return f"{round(value, 10) + 0.0:.10f}".rstrip("0").rstrip(".")
