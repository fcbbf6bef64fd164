"""The values of a dashboard's variables, found in order, since a query may use earlier ones."""

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
# An interval that Grafana computes; it equals the step.
AUTO = re.compile(r"^\$__auto")

Variable = Mapping[str, Any]


class ValueSource(Protocol):
    """A source of the values of query variables."""

    def label_values(self, kind: str, selector: str, label: str) -> Sequence[str]:
        """Return the values of a label of the selected series; an empty selector selects all."""

    def query_result(self, expr: str) -> Sequence[str]:
        """Return the rows of a query as Grafana writes them: name, labels, value, time."""


def values_of(
    variables: Sequence[Variable], chosen: Mapping[str, str], source: ValueSource, known: Values
) -> dict[str, Value]:
    """Return the value of each variable, by name.

    Args:
        variables: The variables in Grafana's model.
        chosen: Values set by the caller, by name.
        source: Source of the values of query variables.
        known: Grafana's built-in variables.
    """
    values = dict(known)
    for variable in variables:
        name, kind = str(variable.get("name")), variable.get("type")
        if name in chosen:
            values[name] = Value([chosen[name]])
        elif kind == "query":
            values[name] = _queried(variable, source, values)
        elif kind != "adhoc":
            values[name] = _fixed(variable, values)
    return values


def _queried(variable: Variable, source: ValueSource, values: Values) -> Value:
    found = _filtered(_found(variable, source, values), str(variable.get("regex") or ""))
    if variable.get("includeAll"):
        return Value(found, str(variable.get("allValue") or EVERYTHING), alone=False)
    if variable.get("multi"):
        return Value(found, alone=False)
    current = _current(variable)
    # The value saved in the file, if it exists here too; else the first, as in Grafana.
    return Value([current] if current in found else found[:1])


def _found(variable: Variable, source: ValueSource, values: Values) -> Sequence[str]:
    """Return the results of a variable's query."""
    datasource = variable.get("datasource")
    named = str(datasource.get("type")) if isinstance(datasource, Mapping) else ""
    kind = named or "prometheus"
    query = variable.get("query")
    if isinstance(query, Mapping) and query.get("label"):
        selector = str(query.get("stream") or query.get("metric") or "")
        return source.label_values(kind, substitute(selector, values), str(query["label"]))
    text = query.get("query") if isinstance(query, Mapping) else query
    text = substitute(str(text or variable.get("definition") or ""), values)
    if label := LABEL_VALUES.match(text):
        return source.label_values(kind, (label["metric"] or "").strip(), label["label"])
    if (result := QUERY_RESULT.match(text)) and kind == "prometheus":
        return source.query_result(result["expr"])
    if (names := METRICS.match(text)) and (wanted := pattern_of(names["regex"])):
        return list(filter(wanted.search, source.label_values(kind, "", "__name__")))
    return []


def _filtered(found: Sequence[str], regex: str) -> list[str]:
    """Return the values that match a variable's regex, or only its first group of each."""
    if not regex:
        return list(found)
    pattern = pattern_of(regex.removeprefix("/").rsplit("/", 1)[0] if regex[0] == "/" else regex)
    if pattern is None:
        return list(found)
    hits = [hit for hit in map(pattern.search, found) if hit]
    cut = [hit[1] if pattern.groups and hit[1] is not None else hit.string for hit in hits]
    return list(dict.fromkeys(cut))


def pattern_of(text: str) -> re.Pattern[str] | None:
    """Return a JavaScript expression as a Python one; None if Python has no such expression."""
    try:
        return re.compile(re.sub(r"\(\?<(?=\w)", "(?P<", text))
    except re.error:
        return None


def _fixed(variable: Variable, values: Values) -> Value:
    """Return the value of a variable without a query."""
    kind, current = variable.get("type"), _current(variable)
    text = variable.get("query")
    options = [part.strip() for part in str(text or "").split(",") if part.strip()]
    # `1h : 3600` is a text and its value.
    options = [one.split(" : ", 1)[-1] for one in options]
    if kind in ("constant", "textbox"):
        return Value([str(text or current)])
    if kind == "interval" and AUTO.match(current or "$__auto"):
        return values["__interval"]
    if current == ALL or (not current and variable.get("includeAll")):
        return Value(options, str(variable.get("allValue") or EVERYTHING), alone=False)
    return Value([current or (options[0] if options else "")])


def _current(variable: Variable) -> str:
    saved = variable.get("current")
    current = saved.get("value") if isinstance(saved, Mapping) else None
    if isinstance(current, list):
        current = current[0] if current else ""
    return str(current or "")
