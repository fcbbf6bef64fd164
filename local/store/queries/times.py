"""Parse points in time and durations in the notations of people and of Grafana."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from local.store.errors import BadQueryError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_RELATIVE = re.compile(r"now(?:-(\d{1,9})(ms|s|m|h|d|w))?(?:/[smhdw])?")
_SPAN = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)")
# Larger numbers are milliseconds, as in Grafana's links.
_LARGEST_SECONDS = 10**11


def seconds_of(text: str, now: float, *, name: str) -> float:
    """Return a point in time as unix seconds.

    Args:
        text: `now`, `now-15m`, unix seconds or milliseconds, or an ISO date and time.
        now: Unix seconds that `now` stands for.
        name: The parameter's name, for the error.

    Raises:
        BadQueryError: The text is none of these.
    """
    relative = _RELATIVE.fullmatch(text)
    if relative:
        amount, unit = relative.groups()
        return now - (int(amount) * _UNITS[unit] if amount else 0)
    try:
        number = float(text)
    except ValueError:
        return _iso(text, name)
    if not 0 <= number < 10**15:
        raise BadQueryError(f"{name}: {text} is not a point in time")
    return number / 1000 if number > _LARGEST_SECONDS else number


def duration_of(text: str, *, name: str) -> float:
    """Return the seconds of `15m`, `1h30m`, or a plain number of seconds.

    Raises:
        BadQueryError: The text is not a duration.
    """
    parts = _SPAN.findall(text)
    if parts and "".join(amount + unit for amount, unit in parts) == text:
        return sum(int(amount) * _UNITS[unit] for amount, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise BadQueryError(f"{name}: expected a duration like 15m, not {text!r}") from None


def _iso(text: str, name: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadQueryError(
            f"{name}: expected now, now-1h, unix seconds or an ISO time, not {text!r}"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
