"""Durations as Prometheus and Grafana write them."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {
    "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2629800, "y": 31557600,
}  # fmt: skip
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwMy])")
RELATIVE = re.compile(r"^now-(\w+)(?:/\w+)?$")


def duration(text: str) -> timedelta | None:
    """Return `1h30m`, also `1d/d`; None for other texts."""
    text = text.strip().partition("/")[0]
    parts = PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return timedelta(seconds=min(1e10, sum(float(n) * SECONDS[unit] for n, unit in parts)))


def span_of(start: str) -> timedelta | None:
    """Return the length of the time range that starts at `now-6h`; None for other texts."""
    found = RELATIVE.match(start.strip())
    if start.strip() == "now/d":
        return timedelta(days=1)
    return duration(found[1]) if found else None


def in_words(seconds: float) -> str:
    """Return a duration as people say it: 45 s, 15 min, 2 h, 3 d."""
    for size, unit in ((172800, "d"), (7200, "h"), (120, "min")):
        if seconds >= size:
            length = {"d": 86400, "h": 3600, "min": 60}[unit]
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
