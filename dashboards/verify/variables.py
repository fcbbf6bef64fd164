"""The values of a dashboard's variables, asked in their order, since one may need another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dashboards.verify.substitution import EVERYTHING, Value, Values, substitute

LABEL_VALUES = re.compile(
    r"^\s*label_values\(\s*(?:(?P<metric>.+)\s*,\s*)?(?P<label>\w+)\s*\)\s*$", re.DOTALL
)
QUERY_RESULT = re.compile(r"^\s*query_result\((?P<expr>.+)\)\s*$", re.DOTALL)
METRICS = re.compile(r"^\s*metrics\((?P<regex>.+)\)\s*$")
ALL = "$__all"
# The interval that Grafana computes itself stands for a step.
AUTO = re.compile(r"^\$__auto")


class Asker(Protocol):
    """Whoever can be asked for a variable's values."""

    def label_values(self, kind: str, selector: str, label: str) -> Sequence[str]:
        """Return the values of a label among the series of a selector, which may be empty."""

    def query_result(self, expr: str) -> Sequence[str]:
        """Return the rows of a query as Grafana writes them: name, labels, value, time."""


def values_of(
    variables: Sequence[Mapping[str, Any]], chosen: Mapping[str, str], asker: Asker, known: Values
) -> dict[str, Value]:
    """Return a value for each variable.

    Args:
        variables: As they stand in the dashboard.
        chosen: Values that the caller names.
        asker: Who is asked for the values of query variables.
        known: Grafana's own variables.
    """
    values = dict(known)
    for variable in variables:
        name, kind = str(variable.get("name")), variable.get("type")
        if name in chosen:
            values[name] = Value([chosen[name]])
        elif kind == "query":
            values[name] = _queried(variable, asker, values)
        elif kind != "adhoc":
            values[name] = _fixed(variable, values)
    return values


def _queried(variable: Mapping[str, Any], asker: Asker, values: Values) -> Value:
    found = _wanted(_found(variable, asker, values), str(variable.get("regex") or ""))
    if variable.get("includeAll"):
        return Value(found, str(variable.get("allValue") or EVERYTHING), alone=False)
    if variable.get("multi"):
        return Value(found, alone=False)
    current = _current(variable)
    # What its author last looked at, where that exists here too; else the first, as Grafana does.
    return Value([current] if current in found else found[:1])


def _found(variable: Mapping[str, Any], asker: Asker, values: Values) -> Sequence[str]:
    """Return what a variable's query yields."""
    source = variable.get("datasource")
    loki = isinstance(source, Mapping) and source.get("type") == "loki"
    kind = "loki" if loki else "prometheus"
    query = variable.get("query")
    if isinstance(query, Mapping) and query.get("label"):
        selector = str(query.get("stream") or query.get("metric") or "")
        return asker.label_values(kind, substitute(selector, values), str(query["label"]))
    text = query.get("query") if isinstance(query, Mapping) else query
    text = substitute(str(text or variable.get("definition") or ""), values)
    if label := LABEL_VALUES.match(text):
        return asker.label_values(kind, (label["metric"] or "").strip(), label["label"])
    if result := QUERY_RESULT.match(text):
        return asker.query_result(result["expr"])
    if names := METRICS.match(text):
        return [n for n in asker.label_values(kind, "", "__name__") if re.search(names["regex"], n)]
    return []


def _wanted(found: Sequence[str], regex: str) -> list[str]:
    """Return what a variable's regex lets through, or cuts out with its first group."""
    if not regex:
        return list(found)
    pattern = re.compile(regex.removeprefix("/").rsplit("/", 1)[0] if regex[0] == "/" else regex)
    hits = [hit for hit in map(pattern.search, found) if hit]
    cut = [hit[1] if pattern.groups and hit[1] is not None else hit.string for hit in hits]
    return list(dict.fromkeys(cut))


def _fixed(variable: Mapping[str, Any], values: Values) -> Value:
    """Return the value of a variable that asks nobody."""
    kind, current = variable.get("type"), _current(variable)
    text = variable.get("query")
    options = [part.strip() for part in str(text or "").split(",") if part.strip()]
    # `1h : 3600` shows the first and stands for the second.
    options = [one.split(" : ", 1)[-1] for one in options]
    if kind in ("constant", "textbox"):
        return Value([str(text or current)])
    if kind == "interval" and AUTO.match(current or "$__auto"):
        return values["__interval"]
    if current == ALL or (not current and variable.get("includeAll")):
        return Value(options, str(variable.get("allValue") or EVERYTHING), alone=False)
    return Value([current or (options[0] if options else "")])


def _current(variable: Mapping[str, Any]) -> str:
    current = (variable.get("current") or {}).get("value")
    if isinstance(current, list):
        current = current[0] if current else ""
    return str(current or "")
