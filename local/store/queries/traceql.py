"""The part of TraceQL that dashboards use, on the local store: one set of conditions on a span.

`{ resource.service.name = "orders" && (status = error || duration > 500ms) }`, then
`| select(span.attribute)` and `with (most_recent=true)`, which is how the store searches anyway.
Structural operators, other pipelines and aggregates raise BadQueryError.

Source: Tempo 3.0 documentation, "TraceQL": intrinsics, scopes, operators.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.store.queries import scan
from local.store.queries.deadline import bounded
from local.store.queries.span_fields import Field, Literal, SpanRow, compare, field_of
from local.store.queries.tokens import Tokens, nanoseconds, number, unquote
from local.store.queries.traces import MOST_SPANS, summaries
from local.store.rows import read_span
from local.store.semconv import KIND_NAMES, STATUS_NAMES

if TYPE_CHECKING:
    import sqlite3

_CONSTANTS = {
    **{word: ("status", word) for word in STATUS_NAMES},
    **{word: ("kind", word) for word in KIND_NAMES},
    "true": ("boolean", True),
    "false": ("boolean", False),
    "nil": ("nil", None),
}


@dataclass
class SpanQuery:
    """A parsed query.

    Args:
        condition: What a span must meet.
        selected: Attributes to show of each span, by name without scope.
    """

    condition: scan.Condition = scan.ANYTHING
    selected: dict[str, Field] = field(default_factory=dict)


def parse(text: str) -> SpanQuery:
    """Parse a query.

    Raises:
        BadQueryError: It is malformed, or outside the supported part of the language.
    """
    tokens = Tokens("TraceQL", text)
    query = SpanQuery()
    tokens.expect("{")
    if tokens.peek() != "}":
        query.condition = _either(tokens)
    tokens.expect("}")
    if tokens.accept("|"):
        tokens.expect("select")
        for name in tokens.names():
            query.selected[name.partition(".")[2] or name] = _field(tokens, name)
    if tokens.accept("with"):
        for part in ("(", "most_recent", "=", "true", ")"):
            tokens.expect(part)
    if tokens.peek():
        raise tokens.outside(f"expected one set of conditions, found {tokens.peek()!r} after it")
    return query


@bounded
def search(
    connection: sqlite3.Connection, query: SpanQuery, start_ns: int, end_ns: int, limit: int
) -> list[dict[str, Any]]:
    """Return the newest traces with a matching span, and the matching spans of each.

    Raises:
        QueryTooLongError: It took too long to find them.
    """
    resources = scan.Resources(connection)
    matched: dict[str, list[dict[str, Any]]] = {}
    for row in scan.newest_first(connection, scan.SPANS, query.condition, start_ns, end_ns):
        if row["trace_id"] not in matched and len(matched) >= limit:
            break
        span = SpanRow(row, resources)
        if query.condition.test(span):
            spans = matched.setdefault(row["trace_id"], [])
            if len(spans) < MOST_SPANS:
                shown = {name: one.get(span) for name, one in query.selected.items()}
                spans.append(read_span(row, span.resource) | {"selected": shown})
    return [
        summary | {"spans_matched": matched[summary["trace_id"]]}
        for summary in summaries(connection, matched)
    ]


def _either(tokens: Tokens) -> scan.Condition:
    return scan.read_joined(tokens, _condition, either=("||",), both=("&&",))


def _condition(tokens: Tokens) -> scan.Condition:
    name = tokens.take("name").text
    wanted = _field(tokens, name)
    sign = tokens.accept("=", "!=", "=~", "!~", ">", ">=", "<", "<=")
    if not sign:
        found = tokens.peek()[:100] or "the end"
        raise tokens.outside(f"{name[:100]!r} is followed by {found!r}, not by a comparison")
    condition = compare(wanted, sign, _literal(tokens))
    if isinstance(condition, str):
        raise tokens.outside(condition)
    return condition


def _field(tokens: Tokens, name: str) -> Field:
    found = field_of(name)
    if found is None:
        raise tokens.outside(f"{name[:100]!r} is not a supported field")
    return found


def _literal(tokens: Tokens) -> Literal:
    token = tokens.take("string", "number", "duration", "name")
    if token.kind == "string":
        return Literal("string", unquote(token), token.text)
    if token.kind == "duration":
        return Literal("number", nanoseconds(token.text), token.text)
    if token.kind == "number":
        return Literal("number", number(token.text), token.text)
    if token.text not in _CONSTANTS:
        raise tokens.outside(f"{token.text[:100]!r} is not a value")
    return Literal(*_CONSTANTS[token.text], token.text)
