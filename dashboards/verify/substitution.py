"""Put values in place of a dashboard's variables, as Grafana does before it asks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

VARIABLE = re.compile(r"\$\{(\w+)(?:\.\w+)?(?::([^}]+))?\}|\$(\w+)|\[\[(\w+)(?::(\w+))?\]\]")
EVERYTHING = ".*"
# Not what `re.escape` takes besides: PromQL refuses the backslash before a `-`.
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
    """What a variable stands for.

    Args:
        values: One or more values.
        everything: A pattern that stands for all of them, where All is chosen; else empty.
        alone: Whether it stands as it is in a query, not as a pattern.
    """

    values: Sequence[str]
    everything: str = ""
    alone: bool = True

    def written(self, form: str = "") -> str:
        """Return how it stands in a query: `${name:form}`."""
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
        """Return the value that the first copy of a repeated panel has."""
        return Value(self.values[:1]) if self.values else self


Values = Mapping[str, Value]


def _literal(text: str) -> str:
    """Return a pattern that matches a text, for a string of PromQL, where a backslash is two."""
    return SPECIAL.sub(r"\\\\\g<0>", text)


def built_in(window: timedelta, step: timedelta, scrape: timedelta) -> dict[str, Value]:
    """Return Grafana's own variables.

    Args:
        window: The time range that is shown.
        step: Between two points.
        scrape: The data source's scrape interval.

    Returns:
        Durations in seconds; the rate interval is at least four scrapes.
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
    """Return the variables of a query."""
    return [found[1] or found[3] or found[4] for found in VARIABLE.finditer(expr)]


def substitute(expr: str, values: Values) -> str:
    """Return the query with every variable that has a value put in."""

    def put(found: re.Match[str]) -> str:
        name, form = found[1] or found[3] or found[4], found[2] or found[5] or ""
        return values[name].written(form) if name in values else found[0]

    return VARIABLE.sub(put, expr)
