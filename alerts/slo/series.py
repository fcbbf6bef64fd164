"""The input series of an SLO's tests, derived from its queries where the file gives none."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from re import _parser as regex_parser  # type: ignore[attr-defined]
from typing import Any

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
)

from alerts.promrules.reading import OPS, Matcher
from alerts.slo.sloth import WINDOW, bare, parsed

RATES = ("rate", "increase", "irate")
# How many of the bad and of all events a series adds, and what its tests must feed it with.
ROLES: dict[frozenset[tuple[int, int]], dict[tuple[int, int], str]] = {
    frozenset({(1, 1), (0, 1)}): {(1, 1): "bad", (0, 1): "good"},
    frozenset({(1, 1), (-1, 0)}): {(1, 1): "total", (-1, 0): "good"},
    frozenset({(1, 0), (0, 1)}): {(1, 0): "bad", (0, 1): "total"},
}
# Tried where a matcher does not say what a value looks like.
VALUES = ("x", "200", "0", "true", "/", "+Inf", "")
_CODE = re.compile(r"code|status")

Labels = dict[str, str]
# A metric, the conditions on its labels, and whether it is added or subtracted.
Term = tuple[str, tuple[Matcher, ...], int]


def derive(error_query: str, total_query: str) -> list[tuple[str, str]]:
    """Return pairs of what a series counts and the series, one for each kind of event.

    Raises:
        ValueError: The queries are not sums and differences of rates, or leave a choice.
    """
    bad, total = list(_terms(error_query)), list(_terms(total_query))
    found: dict[tuple[int, int], str] = {}
    for name, labels in _candidates([*bad, *total]):
        adds = _sum(bad, name, labels), _sum(total, name, labels)
        if adds != (0, 0):
            found.setdefault(adds, _series(name, labels))
    roles = ROLES.get(frozenset(found))
    if roles is None:
        text = "the queries do not tell which series count good and which bad events; expected"
        raise ValueError(f"{text} entries for two of good, bad, total")
    return [(roles[adds], series) for adds, series in found.items()]


def _terms(query: str) -> Iterator[Term]:
    yield from _walk(bare(parsed(query)), 1, query)


def _walk(node: Expr, sign: int, query: str) -> Iterator[Term]:
    node = bare(node)
    if isinstance(node, AggregateExpr) and str(node.op) == "sum":
        yield from _walk(node.expr, sign, query)
    elif isinstance(node, Call) and node.func.name in RATES:
        yield from _selector(node.args[0], sign, query)
    elif isinstance(node, BinaryExpr) and str(node.op) in {"+", "-"}:
        yield from _walk(node.lhs, sign, query)
        yield from _walk(node.rhs, sign if str(node.op) == "+" else -sign, query)
    elif isinstance(node, BinaryExpr) and str(node.op) == "or" and _is_constant(node.rhs):
        yield from _walk(node.lhs, sign, query)
    else:
        text = "is no sum or difference of rates of counters; expected sum(rate(…_total["
        raise ValueError(f"{query.strip()!r} {text}{WINDOW}]))")


def _selector(node: Expr, sign: int, query: str) -> Iterator[Term]:
    selector = node.vector_selector if isinstance(node, MatrixSelector) else None
    if selector is None or not selector.name:
        raise ValueError(f"{query.strip()!r} has a rate of something else than a named metric")
    matchers = tuple(
        Matcher(m.name, OPS[str(m.op).split(".")[-1]], m.value) for m in selector.matchers.matchers
    )
    yield selector.name, matchers, sign


def _is_constant(node: Expr) -> bool:
    node = bare(node)
    if isinstance(node, NumberLiteral):
        return True
    # `or total * 0`: no errors rather than no data.
    if isinstance(node, BinaryExpr) and str(node.op) == "*":
        return _is_constant(node.lhs) or _is_constant(node.rhs)
    return isinstance(node, Call) and node.func.name == "vector"


def _sum(terms: Iterable[Term], name: str, labels: Labels) -> int:
    return sum(
        sign
        for other, matchers, sign in terms
        if other == name and all(_matches(m, labels.get(m.label, "")) for m in matchers)
    )


def _candidates(terms: Sequence[Term]) -> Iterator[tuple[str, Labels]]:
    """Yield series that match each selector, alone and together with others of its metric."""
    for name, matchers, _ in terms:
        others = [other for metric, other, _ in terms if metric == name]
        for matcher in itertools.chain.from_iterable(others):
            if matcher not in matchers:
                avoided = (*matchers, _opposite(matcher))
                yield from ((name, labels) for labels in _choices(avoided, others))
    for name, matchers, _ in terms:
        yield from ((name, labels) for labels in _choices(matchers, []))


def _choices(matchers: Sequence[Matcher], others: Iterable[Sequence[Matcher]]) -> Iterator[Labels]:
    """Yield the labels that satisfy all matchers, if values are known for each."""
    known = {m.label for m in matchers}
    # Where another selector has a condition on one more label, this one's series has it too.
    rest = {m.label: m for other in others for m in other if m.label not in known}
    wanted = [*matchers, *rest.values()]
    labels: Labels = {}
    for label in dict.fromkeys(m.label for m in wanted):
        conditions = [m for m in wanted if m.label == label]
        pool = itertools.chain.from_iterable(_samples(m) for m in conditions)
        likely = ["200"] if _CODE.search(label) else []
        values = (*pool, *likely, *VALUES)
        fits = (v for v in values if all(_matches(m, v) for m in conditions))
        value = next(fits, None)
        if value is None:
            return
        labels[label] = value
    yield labels


def _samples(matcher: Matcher) -> list[str]:
    if matcher.op in {"=", "!="}:
        return [matcher.value] if matcher.op == "=" else []
    return [_example(matcher.value)] if matcher.op == "=~" else []


def _example(pattern: str) -> str:
    """Return a text that a regular expression matches."""
    return "".join(_letters(regex_parser.parse(pattern)))


def _letters(tree: Any) -> Iterator[str]:
    for code, argument in tree:
        name = str(code)
        if name == "LITERAL":
            yield chr(argument)
        elif name in {"ANY", "NOT_LITERAL"}:
            yield "0" if name == "ANY" or chr(argument) != "0" else "1"
        elif name == "IN":
            kind, value = argument[0]
            first = value[0] if str(kind) == "RANGE" else value
            yield chr(first) if isinstance(first, int) else "0"
        elif name == "BRANCH":
            yield from _letters(argument[1][0])
        elif name == "SUBPATTERN":
            yield from _letters(argument[-1])
        elif name in {"MAX_REPEAT", "MIN_REPEAT"}:
            least, most, inner = argument
            for _ in range(least or min(1, most)):
                yield from _letters(inner)


def _matches(matcher: Matcher, value: str) -> bool:
    if matcher.op in {"=", "!="}:
        return (value == matcher.value) == (matcher.op == "=")
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error as error:
        raise ValueError(f"{matcher.value!r}: {error}") from error
    return found == (matcher.op == "=~")


def _opposite(matcher: Matcher) -> Matcher:
    opposite = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
    return Matcher(matcher.label, opposite[matcher.op], matcher.value)


def _series(name: str, labels: Labels) -> str:
    inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items() if value)
    return f"{name}{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
