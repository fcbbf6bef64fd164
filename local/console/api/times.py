"""Parse points in time and durations in the notations of people and of Grafana."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from local.store.errors import BadQueryError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_RELATIVE = re.compile(r"now(?:-(\d{1,9})(ms|s|m|h|d|w))?", re.ASCII)
_SPAN = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)", re.ASCII)
# Larger numbers are milliseconds, as in Grafana's links.
_LARGEST_SECONDS = 10**11
# The last whole second whose nanoseconds SQLite can store: in the year 2262.
_LATEST = 9_223_372_036


def seconds_of(text: str, now: float, *, name: str) -> float:
    """Return a point in time as unix seconds, from 1970 to 2262.

    Args:
        text: `now`, `now-15m`, unix seconds or milliseconds, or an ISO date and time.
        now: Unix seconds that `now` stands for.
        name: The parameter's name, for the error.

    Raises:
        BadQueryError: The text is none of these, or the time is out of range.
    """
    relative = _RELATIVE.fullmatch(text)
    if relative:
        amount, unit = relative.groups()
        seconds = now - (int(amount) * _UNITS[unit] if amount else 0)
    else:
        seconds = _absolute(text, name)
    if not 0 <= seconds <= _LATEST:
        raise BadQueryError(f"{name}: {text[:60]} is not between the years 1970 and 2262")
    return seconds


def duration_of(text: str, *, name: str) -> float:
    """Return the seconds of `15m`, `1h30m`, or a plain number of seconds; more than 0.

    Raises:
        BadQueryError: The text is not a duration.
    """
    parts = _SPAN.findall(text)
    if parts and "".join(amount + unit for amount, unit in parts) == text:
        seconds = sum(int(amount) * _UNITS[unit] for amount, unit in parts)
    else:
        seconds = _number(text)
    if not 0 < seconds <= _LATEST:
        raise BadQueryError(f"{name}: expected a duration like 15m, not {text[:60]!r}")
    return seconds


def _absolute(text: str, name: str) -> float:
    number = _number(text)
    if math.isnan(number):
        return _iso(text, name)
    return number / 1000 if number > _LARGEST_SECONDS else number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _iso(text: str, name: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadQueryError(
            f"{name}: expected now, now-1h, unix seconds or an ISO time, not {text[:60]!r}"
        ) from None
