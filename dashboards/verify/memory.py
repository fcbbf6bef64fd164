"""How long a PromQL query still returns values of a process that has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from math import isnan
from typing import Any

import promql_parser

ALWAYS = float("inf")
# Prometheus itself writes this series, and writes 0 once the process is gone.
ALIVE = "up"


@dataclass(frozen=True)
class Memory:
    """How long after the last sample a query has a value.

    Args:
        instant: Seconds, for one evaluation at the end of the time range.
        ranged: Seconds, for the last value of evaluations over the time range.
        window: The longest part of the query that reads the past, as it is written; may be empty.
        own: Whether it depends on series at all; `vector(0)`, `time()` and numbers do not.
        bounds: Whether it says which processes live now, so that a join with it is bounded.
    """

    instant: float
    ranged: float
    window: str = ""
    own: bool = True
    bounds: bool = False


NUMBER = Memory(ALWAYS, ALWAYS, own=False)


def memory_of(expr: str, span: timedelta, lookback: timedelta) -> Memory | None:
    """Return the memory of a query; None if it cannot be parsed.

    Args:
        expr: PromQL without variables.
        span: The panel's time range.
        lookback: How long Prometheus returns the last sample of a series: none if its end was
            marked, as it is for scraped targets, else `--query.lookback-delta`.
    """
    try:
        tree = promql_parser.parse(expr)
    except ValueError:
        return None
    return _of(tree, span.total_seconds(), lookback.total_seconds())


def _of(node: Any, span: float, lookback: float) -> Memory:
    if isinstance(node, promql_parser.VectorSelector):
        return _selected(node, lookback, span, "")
    if isinstance(node, promql_parser.MatrixSelector):
        seconds = node.range.total_seconds()
        written = f"[{_short(seconds)}]"
        return _selected(node.vector_selector, seconds, span, written)
    if isinstance(node, promql_parser.SubqueryExpr):
        return _subquery(node, span, lookback)
    if isinstance(node, promql_parser.BinaryExpr):
        return _operated(node, span, lookback)
    if isinstance(node, promql_parser.Call):
        return _called(node, span, lookback)
    inner = getattr(node, "expr", None)
    return _of(inner, span, lookback) if inner is not None else NUMBER


def _operated(node: Any, span: float, lookback: float) -> Memory:
    if _is_nan(node.lhs) or _is_nan(node.rhs):
        return NUMBER
    left = _of(node.lhs, span, lookback)
    if (age := _age(node)) is not None:
        return replace(left, instant=age, bounds=True)
    return _binary(node, left, _of(node.rhs, span, lookback))


def _called(node: Any, span: float, lookback: float) -> Memory:
    if node.func.name in ("absent", "absent_over_time"):
        return NUMBER
    inner = [_of(one, span, lookback) for one in node.args]
    found = [one for one in inner if one.own]
    if not found:
        return NUMBER
    longest = _longest(found)
    name = f"{node.func.name}(…{longest.window})" if longest.window[:1] == "[" else longest.window
    return replace(longest, window=name)


def _selected(node: Any, seconds: float, span: float, written: str) -> Memory:
    """Return the memory of a selector that reads this far back."""
    past = node.offset.total_seconds() if node.offset is not None else 0.0
    seconds += max(0.0, past)
    written = f"{written} offset {_short(past)}".strip() if past > 0 else written
    if node.at is not None and str(node.at) != "@ end()":
        return Memory(ALWAYS, ALWAYS, str(node.at))
    if node.at is not None:
        # Every evaluation of the range looks at its end: a series that is gone is gone everywhere.
        return Memory(seconds, seconds, written, bounds=True)
    return Memory(seconds, span + seconds, written, bounds=node.name == ALIVE)


def _subquery(node: Any, span: float, lookback: float) -> Memory:
    inner = _of(node.expr, span, lookback)
    if not inner.own:
        return NUMBER
    seconds = node.range.total_seconds()
    return Memory(inner.instant + seconds, inner.ranged + seconds, f"[{_short(seconds)}:]")


def _binary(node: Any, left: Memory, right: Memory) -> Memory:
    sign = str(node.op)
    if sign == "unless":
        return left
    if sign == "or":
        found = [one for one in (left, right) if one.own]
        return _longest(found) if found else NUMBER
    if not (left.own and right.own):
        return left if left.own else right
    # Both sides must exist. If one says who lives, it ends the result; other sides may be of
    # different processes, each of which can be the one that ended.
    if left.bounds or right.bounds:
        first = left if left.instant <= right.instant else right
        return Memory(first.instant, min(left.ranged, right.ranged), first.window, bounds=True)
    return _longest([left, right])


def _is_nan(node: Any) -> bool:
    """Return whether a node is the number NaN, which panels draw as no data."""
    return isinstance(node, promql_parser.NumberLiteral) and isnan(node.val)


def _age(node: Any) -> float | None:
    """Return the seconds N of `timestamp(x) > time() - N`; None for another expression."""
    pattern = r"timestamp\(.*\) >=? time\(\) - (\d+)"
    found = re.fullmatch(pattern, str(node)) if str(node.op) in (">", ">=") else None
    return float(found[1]) if found else None


def _longest(found: list[Memory]) -> Memory:
    longest = max(found, key=lambda one: one.instant)
    return replace(longest, ranged=max(one.ranged for one in found))


def _short(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
