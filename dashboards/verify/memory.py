"""How long a PromQL query still returns values of a process that has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import promql_parser

ALWAYS = float("inf")
# Prometheus itself writes this series, and writes 0 once the process is gone.
ALIVE = "up"
AGE = re.compile(
    r"^timestamp\(.*\)>=?time\(\)-(\d+)$|^time\(\)-timestamp\(.*\)<=?(\d+)$", re.DOTALL
)


@dataclass(frozen=True)
class Memory:
    """How long after the last sample a query has a value.

    Args:
        instant: Seconds, for one evaluation at the end of the time range.
        ranged: Seconds, for the last value of evaluations over the time range.
        window: The longest part of the query that reads the past, as it is written; may be empty.
        own: Whether it depends on series at all; `vector(0)`, `time()` and numbers do not.
        bounds: Whether it says which processes live now, so that a join with it is bounded.
        names: The metrics that it reads.
    """

    instant: float
    ranged: float
    window: str = ""
    own: bool = True
    bounds: bool = False
    names: frozenset[str] = frozenset()


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
        left, right = _of(node.lhs, span, lookback), _of(node.rhs, span, lookback)
        return _aged(node, left, right, span) or _binary(node, left, right)
    if isinstance(node, promql_parser.Call):
        return _called(node, span, lookback)
    inner = getattr(node, "expr", None)
    return _of(inner, span, lookback) if inner is not None else NUMBER


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
    names = frozenset([node.name or ""])
    if node.at is not None and str(node.at) != "@ end()":
        return Memory(ALWAYS, ALWAYS, str(node.at), names=names)
    if node.at is not None:
        # Every evaluation of the range looks at its end: a series that is gone is gone everywhere.
        return Memory(seconds, seconds, written, bounds=True, names=names)
    return Memory(seconds, span + seconds, written, bounds=node.name == ALIVE, names=names)


def _subquery(node: Any, span: float, lookback: float) -> Memory:
    inner = _of(node.expr, span, lookback)
    if not inner.own:
        return NUMBER
    seconds = node.range.total_seconds()
    instant, ranged = inner.instant + seconds, inner.ranged + seconds
    return replace(inner, instant=instant, ranged=ranged, window=f"[{_short(seconds)}:]")


def _aged(node: Any, left: Memory, right: Memory, span: float) -> Memory | None:
    """Return the memory of `timestamp(x) > time() - 60` or `time() - timestamp(x) < 60`."""
    older = AGE.search(str(node).replace(" ", ""))
    own = left if left.own else right
    if older is None or left.own == right.own:
        return None
    seconds = min(own.instant, float(older[1] or older[2]))
    return replace(own, instant=seconds, ranged=span + seconds, bounds=True)


def _binary(node: Any, left: Memory, right: Memory) -> Memory:
    sign = str(node.op)
    if sign == "unless":
        return left
    if sign == "or":
        found = [one for one in (left, right) if one.own]
        return _longest(found) if found else NUMBER
    texts = {str(node.lhs), str(node.rhs)}
    if (sign == "*" and "0" in texts) or (sign in "+-*/" and "NaN" in texts):
        # Only tells that there was a series; its value is lost.
        return NUMBER
    if not (left.own and right.own):
        return left if left.own else right
    # Both sides must exist. A side that tells who lives ends the result, and so does one that
    # reads the same metric; other sides may be of different processes.
    if left.bounds or right.bounds or (sign == "and" and left.names & right.names):
        first = left if left.instant <= right.instant else right
        return replace(first, ranged=min(left.ranged, right.ranged), bounds=True)
    return left if sign == "and" else _longest([left, right])


def _longest(found: list[Memory]) -> Memory:
    longest = max(found, key=lambda one: one.instant)
    names = frozenset().union(*(one.names for one in found))
    return replace(longest, ranged=max(one.ranged for one in found), names=names)


def _short(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
