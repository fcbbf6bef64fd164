"""The part of TraceQL that dashboards use, on the local store: one set of conditions on a span.

`{ resource.service.name = "orders" && (status = error || duration > 500ms) }`, then
`| select(span.attribute)` and `with (most_recent=true)`, which is how the store searches anyway.
Structural operators, other pipelines and aggregates raise BadQueryError.

Source: Tempo 3.0 documentation, "TraceQL": intrinsics, scopes, operators.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.store.queries.conditions import Conditions
from local.store.queries.tokens import MATCHERS, Tokens, matcher, nanoseconds, unquote
from local.store.queries.traces import MOST_MATCHES, summaries
from local.store.rows import read_span

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

Span = dict[str, Any]
_ORDER = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_INTRINSICS = {
    "name": "name",
    "span:name": "name",
    "status": "status",
    "span:status": "status",
    "statusMessage": "status_message",
    "kind": "kind",
    "span:kind": "kind",
    "duration": "duration_ns",
    "span:duration": "duration_ns",
    "trace:id": "trace_id",
    "span:id": "span_id",
}


@dataclass
class SpanQuery:
    """A parsed query.

    Args:
        test: The test that a span must pass.
        services: Services that the query names, for the index.
        selected: Getters of the attributes to show of each span, by name without scope.
    """

    test: Callable[[Span], bool]
    services: list[str]
    selected: dict[str, Callable[[Span], Any]] = field(default_factory=dict)


def parse(text: str) -> SpanQuery:
    """Parse a query.

    Raises:
        BadQueryError: It is malformed, or outside the supported part of the language.
    """
    tokens = Tokens("TraceQL", text)
    query = SpanQuery(lambda _span: True, [])
    tokens.expect("{")
    if tokens.peek() != "}":
        query.test = _either(tokens, query)
    tokens.expect("}")
    if tokens.accept("|"):
        tokens.expect("select")
        for name in _listed(tokens):
            query.selected[name.partition(".")[2] or name] = _getter(tokens, name)
    if tokens.accept("with"):
        tokens.expect("(")
        tokens.expect("most_recent")
        tokens.expect("=")
        tokens.expect("true")
        tokens.expect(")")
    if tokens.peek():
        raise tokens.outside(f"expected one set of conditions, found {tokens.peek()!r} after it")
    return query


def search(
    connection: sqlite3.Connection, query: SpanQuery, start_ns: int, end_ns: int, limit: int
) -> list[dict[str, Any]]:
    """Return the newest traces with a matching span, and the matching spans of each."""
    conditions = Conditions()
    if len(query.services) == 1:
        conditions.add("service = ?", query.services[0])
    conditions.between("start_ns", start_ns, end_ns)
    found = connection.execute(
        "SELECT spans.*, resources.document AS resource FROM spans"  # noqa: S608 - values are bound
        " JOIN resources ON resources.id = resource_id"
        f"{conditions.where()} ORDER BY start_ns DESC LIMIT {MOST_MATCHES}",
        conditions.values,
    )
    matched: dict[str, list[Span]] = {}
    for row in found:
        if row["trace_id"] not in matched and len(matched) >= limit:
            break
        span = read_span(row)
        if query.test(span):
            shown = {name: get(span) for name, get in query.selected.items()}
            matched.setdefault(row["trace_id"], []).append({**span, "selected": shown})
    return [
        summary | {"spans_matched": matched[summary["trace_id"]]}
        for summary in summaries(connection, matched)
    ]


def _listed(tokens: Tokens) -> list[str]:
    tokens.expect("(")
    names = [tokens.take("name").text]
    while tokens.accept(","):
        names.append(tokens.take("name").text)
    tokens.expect(")")
    return names


def _either(tokens: Tokens, query: SpanQuery) -> Callable[[Span], bool]:
    before = len(query.services)
    choices = [_both(tokens, query)]
    while tokens.accept("||"):
        choices.append(_both(tokens, query))
        del query.services[before:]
    if len(choices) == 1:
        return choices[0]
    return lambda span: any(choice(span) for choice in choices)


def _both(tokens: Tokens, query: SpanQuery) -> Callable[[Span], bool]:
    tests = [_condition(tokens, query)]
    while tokens.accept("&&"):
        tests.append(_condition(tokens, query))
    return lambda span: all(test(span) for test in tests)


def _condition(tokens: Tokens, query: SpanQuery) -> Callable[[Span], bool]:
    if tokens.accept("("):
        inside = _either(tokens, query)
        tokens.expect(")")
        return inside
    field = tokens.take("name").text
    get = _getter(tokens, field)
    sign = tokens.take("op").text
    token = tokens.take("string", "number", "duration", "name")
    if token.kind == "string" and sign == "=" and field == "resource.service.name":
        query.services.append(unquote(token))
    if token.text == "nil":
        return lambda span: (get(span) is None) == (sign == "=")
    if sign in _ORDER or token.kind in ("number", "duration"):
        return _compare(tokens, get, sign, token)
    if sign not in MATCHERS:
        raise tokens.outside(f"{sign!r} is not a supported operator")
    test = matcher(sign, unquote(token) if token.kind == "string" else token.text)
    return lambda span: (value := get(span)) is not None and test(_text(value))


def _compare(
    tokens: Tokens, get: Callable[[Span], Any], sign: str, token: Any
) -> Callable[[Span], bool]:
    compare = {**_ORDER, "=": operator.eq, "!=": operator.ne}.get(sign)
    if compare is None or token.kind not in ("number", "duration"):
        raise tokens.outside(f"{sign!r} cannot compare with {token.text!r}")
    wanted = nanoseconds(token.text) if token.kind == "duration" else float(token.text)

    def test(span: Span) -> bool:
        value = get(span)
        return isinstance(value, int | float) and bool(compare(value, wanted))

    return test


def _getter(tokens: Tokens, name: str) -> Callable[[Span], Any]:
    if name in _INTRINSICS:
        key = _INTRINSICS[name]
        return lambda span: span[key]
    scope, dot, attribute = name.partition(".")
    if not dot or scope not in ("resource", "span", ""):
        raise tokens.outside(f"{name!r} is not a supported field")
    if scope == "resource":
        return lambda span: span["resource"].get(attribute)
    if scope == "span":
        return lambda span: span["attributes"].get(attribute)
    return lambda span: span["attributes"].get(attribute, span["resource"].get(attribute))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
