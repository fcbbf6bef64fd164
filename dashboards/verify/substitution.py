"""Replace variables in queries by their values, as Grafana does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

VARIABLE = re.compile(r"\$\{(\w+)(?:\.\w+)?(?::([^}]+))?\}|\$(\w+)|\[\[(\w+)(?::(\w+))?\]\]")
EVERYTHING = ".*"
# Fewer than `re.escape` escapes: PromQL rejects a backslash before a `-`.
SPECIAL = re.compile(r"[\\^$*+?.()|{}\[\]]")
JOINED: Mapping[str, Callable[[Sequence[str]], str]] = {
    "csv": ",".join,
    "raw": ",".join,
    "text": " + ".join,
    "pipe": "|".join,
    "doublequote": lambda values: ",".join(f'"{value}"' for value in values),
    "singlequote": lambda values: ",".join(f"'{value}'" for value in values),
}


@dataclass(frozen=True)
class Value:
    """The value of a variable.

    Args:
        values: One or more values.
        everything: The pattern of All, if All is selected; else empty.
        alone: Whether it is a single value, which queries get unchanged, not as a pattern.
    """

    values: Sequence[str]
    everything: str = ""
    alone: bool = True

    def written(self, form: str = "") -> str:
        """Return the text that replaces `${name:form}` in a query."""
        if self.everything and form in ("", "regex", "pipe"):
            return self.everything
        if form in JOINED:
            return JOINED[form](self.values)
        if self.alone:
            return self.values[0] if self.values else ""
        if len(self.values) == 1:
            return _literal(self.values[0])
        return f"({'|'.join(map(_literal, self.values))})" if self.values else EVERYTHING

    def first(self) -> Value:
        """Return the value of the first copy of a repeated panel."""
        return Value(self.values[:1]) if self.values else self


Values = Mapping[str, Value]


def _literal(text: str) -> str:
    """Return a pattern that matches a text, for a PromQL string, which doubles backslashes."""
    return SPECIAL.sub(r"\\\\\g<0>", text)


def built_in(window: timedelta, step: timedelta, scrape: timedelta) -> dict[str, Value]:
    """Return Grafana's built-in variables.

    Args:
        window: The dashboard's time range.
        step: Time between two points.
        scrape: The data source's scrape interval.

    Returns:
        By name; durations in seconds; the rate interval is at least four scrape intervals.
    """
    seconds = int(window.total_seconds())
    interval = int(step.total_seconds())
    scraped = int(scrape.total_seconds())
    now = int(time.time())
    texts = {
        "__interval": f"{interval}s",
        "__interval_ms": str(interval * 1000),
        "__rate_interval": f"{max(interval + scraped, 4 * scraped)}s",
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
        "__range_ms": str(seconds * 1000),
        "__from": str((now - seconds) * 1000),
        "__to": str(now * 1000),
        "__auto": f"{interval}s",
    }
    return {name: Value([text]) for name, text in texts.items()}


def names_in(expr: str) -> list[str]:
    """Return the names of a query's variables."""
    return [found[1] or found[3] or found[4] for found in VARIABLE.finditer(expr)]


def substitute(expr: str, values: Values) -> str:
    """Return the query with its variables replaced; those without a value stay."""

    def put(found: re.Match[str]) -> str:
        name, form = found[1] or found[3] or found[4], found[2] or found[5] or ""
        return values[name].written(form) if name in values else found[0]

    return VARIABLE.sub(put, expr)
