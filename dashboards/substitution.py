"""Put values in place of a dashboard's variables, as Grafana does before it asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)|\[\[(\w+)(?::\w+)?\]\]")
LABEL_VALUES = re.compile(r"^\s*label_values\(\s*(?:(?P<metric>.+)\s*,\s*)?(?P<label>\w+)\s*\)\s*$")
LabelValues = Callable[[str, str], Sequence[str]]


def built_in(window: timedelta, step: timedelta, scrape: timedelta) -> dict[str, str]:
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
    rate = max(interval + int(scrape.total_seconds()), 4 * int(scrape.total_seconds()))
    return {
        "__interval": f"{interval}s",
        "__interval_ms": str(interval * 1000),
        "__rate_interval": f"{rate}s",
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
        "__range_ms": str(seconds * 1000),
    }


def values_of(
    variables: Sequence[Mapping[str, Any]],
    chosen: Mapping[str, str],
    label_values: LabelValues,
    known: Mapping[str, str],
) -> dict[str, str]:
    """Return a value for each variable.

    Args:
        variables: As they stand in the dashboard.
        chosen: Values that the caller names.
        label_values: Asks the data source: metric selector (may be empty) and label.
        known: Grafana's own variables.
    """
    values = dict(known)
    for variable in variables:
        name = str(variable.get("name"))
        if name in chosen:
            values[name] = chosen[name]
        elif variable.get("type") == "query":
            values[name] = _query_value(variable, label_values, values)
        else:
            values[name] = _fixed_value(variable)
    return values


def substitute(expr: str, values: Mapping[str, str]) -> str:
    """Return the query with every variable that has a value put in."""

    def put(found: re.Match[str]) -> str:
        name = found[1] or found[3] or found[4]
        return values.get(name, found[0])

    return VARIABLE.sub(put, expr)


def _query_value(
    variable: Mapping[str, Any], label_values: LabelValues, values: Mapping[str, str]
) -> str:
    if variable.get("includeAll"):
        return str(variable.get("allValue") or ".*")
    query = variable.get("query")
    text = query.get("query") if isinstance(query, dict) else query
    found = LABEL_VALUES.match(substitute(str(text or ""), values))
    have = label_values(found["metric"] or "", found["label"]) if found else []
    have = [value for value in have if _wanted(value, str(variable.get("regex") or ""))]
    if variable.get("multi"):
        return "|".join(map(re.escape, have)) or ".*"
    return have[0] if have else ".*"


def _wanted(value: str, regex: str) -> bool:
    return not regex or re.search(regex.strip("/"), value) is not None


def _fixed_value(variable: Mapping[str, Any]) -> str:
    """Return the current value of a variable that asks nobody."""
    current = (variable.get("current") or {}).get("value")
    if isinstance(current, list):
        current = current[0] if current else ""
    if current in (None, "", "$__all"):
        if variable.get("includeAll"):
            return str(variable.get("allValue") or ".*")
        current = str(variable.get("query") or "").split(",")[0].strip()
    return str(current)
