"""The fields of TraceQL and their comparison with literals, by Tempo's rules about types.

A number never equals a text, an absent attribute matches nothing but `= nil`, an array matches if
one of its elements does, and for `!=` and `!~` if all do. Source: Tempo 3.0, TraceQL's evaluation.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from local.store.queries import scan
from local.store.queries.patterns import finder, literal_choices, literal_prefix
from local.store.queries.scan import SPANS, Condition, Resources, Route
from local.store.semconv import KIND_NAMES, STATUS_NAMES
from local.store.words import FAILED, FAILED_FROM, identifying, word_of
from observability.instrumentation.semconv import ATTR_HTTP_RESPONSE_STATUS_CODE, ATTR_SERVICE_NAME

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

ORDER = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
NEGATED = ("!=", "!~")
_NAMES = {"status": STATUS_NAMES, "kind": KIND_NAMES}
_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
}


class SpanRow:
    """A stored span; its JSON is parsed when a test asks for it."""

    __slots__ = ("_attributes", "_resources", "row")

    def __init__(self, row: sqlite3.Row, resources: Resources) -> None:
        self.row = row
        self._resources = resources
        self._attributes: dict[str, Any] | None = None

    @property
    def attributes(self) -> dict[str, Any]:
        """The span's own attributes."""
        if self._attributes is None:
            self._attributes = orjson.loads(self.row["attributes"])
        return self._attributes

    @property
    def resource(self) -> dict[str, Any]:
        """The attributes of its resource."""
        return self._resources.read(self.row["resource_id"])

    def of_events(self, get: Callable[[dict[str, Any]], Any]) -> list[Any] | None:
        """Return a value of each event, None if no event has it."""
        found = [get(event) for event in orjson.loads(self.row["events"])]
        return [value for value in found if value is not None] or None


@dataclass(frozen=True)
class Literal:
    """A value in a query; its type is string, number, boolean, status, kind or nil."""

    type: str
    value: Any
    text: str


@dataclass(frozen=True)
class Field:
    """An intrinsic or an attribute.

    Args:
        type: Of an intrinsic's values; empty for an attribute, which may have any.
        get: Its value, None if it is absent.
        column: Of an intrinsic.
        scope: `span`, `resource`, `event`, or empty for the first of span and resource.
        key: The attribute's name.
    """

    name: str
    type: str
    get: Callable[[SpanRow], Any]
    column: str = ""
    scope: str = ""
    key: str = ""


def _intrinsic(name: str, kind: str, column: str) -> Field:
    words = _NAMES.get(kind)
    if words:
        return Field(name, kind, lambda span: words[span.row[column]], column)
    return Field(name, kind, lambda span: span.row[column], column)


_SHORT = {
    "name": ("string", "name"),
    "status": ("status", "status"),
    "statusMessage": ("string", "status_message"),
    "kind": ("kind", "kind"),
    "duration": ("number", "duration_ns"),
}
_LONG = {**_SHORT, "id": ("string", "span_id"), "parentID": ("string", "parent_id")}
_FIELDS = {
    **{name: _intrinsic(name, *rest) for name, rest in _SHORT.items()},
    **{f"span:{name}": _intrinsic(f"span:{name}", *rest) for name, rest in _LONG.items()},
    "trace:id": _intrinsic("trace:id", "string", "trace_id"),
    "event:name": Field(
        "event:name", "string", lambda span: span.of_events(lambda one: one["name"])
    ),
}


def field_of(name: str) -> Field | None:
    """Return the field of this name; None if the store does not know such a field."""
    if name in _FIELDS:
        return _FIELDS[name]
    scope, dot, key = name.partition(".")
    getters: dict[str, Callable[[SpanRow], Any]] = {
        "span": lambda span: span.attributes.get(key),
        "resource": lambda span: span.resource.get(key),
        "event": lambda span: span.of_events(lambda event: event["attributes"].get(key)),
        "": lambda span: span.attributes.get(key, span.resource.get(key)),
    }
    if not dot or not key or scope not in getters:
        return None
    return Field(name, "", getters[scope], scope=scope, key=key)


def compare(field: Field, sign: str, literal: Literal) -> Condition | str:
    """Return the condition, or why there is none."""
    problem = _problem(field, sign, literal)
    if problem:
        return problem
    if literal.type == "nil":
        wanted = sign == "="
        present = () if wanted else _present(field)
        return Condition(lambda span: (field.get(span) is None) == wanted, *present)
    matches = _element_test(sign, literal)
    many = all if sign in NEGATED else any

    def test(span: SpanRow) -> bool:
        value = field.get(span)
        if isinstance(value, list):
            return many(matches(one) for one in value)
        return value is not None and matches(value)

    sql, values = _filter(field, sign, literal)
    return Condition(test, sql, values, _routes(field, sign, literal))


def _problem(field: Field, sign: str, literal: Literal) -> str:
    known = {"nil": ("=", "!="), "number": ("=", "!=", *ORDER), "string": ("=", "!=", "=~", "!~")}
    types = ("nil", field.type) if field.type else ("nil", "string", "number", "boolean")
    if literal.type not in types:
        return f"{field.name!r} cannot be compared with {literal.text}"
    if sign not in known.get(literal.type, ("=", "!=")):
        return f"{sign!r} cannot compare {field.name!r} with {literal.text}"
    return ""


def _element_test(sign: str, literal: Literal) -> Callable[[Any], bool]:
    of_type = _TYPES.get(literal.type, _TYPES["string"])
    if sign in ("=~", "!~"):
        found = finder(literal.value, whole=True)
        return lambda value: of_type(value) and found(value) == (sign == "=~")
    compare_with = {**ORDER, "=": operator.eq, "!=": operator.ne}[sign]
    return lambda value: of_type(value) and bool(compare_with(value, literal.value))


def _present(field: Field) -> tuple[str, tuple[Any, ...]]:
    return _contains(field, f"{_json(field.key)}:") if field.key else ("", ())


def _json(text: str) -> str:
    return orjson.dumps(text).decode()


def _contains(field: Field, text: str) -> tuple[str, tuple[Any, ...]]:
    """Return SQL that passes rows in whose JSON a text occurs."""
    own = {"span": "attributes", "event": "events"}.get(field.scope, "attributes")
    shared = "resource_id IN (SELECT id FROM resources WHERE instr(document, ?))"
    if field.scope == "resource":
        return shared, (text,)
    if field.scope:
        return f"instr({own}, ?)", (text,)
    return f"(instr({own}, ?) OR {shared})", (text, text)


def _filter(field: Field, sign: str, literal: Literal) -> tuple[str, tuple[Any, ...]]:
    if field.column:
        if sign in ("=~", "!~"):
            return "", ()
        names = _NAMES.get(field.type)
        value = names.index(literal.value) if names else literal.value
        return f"+{field.column} {sign} ?", (value,)
    if not field.key:
        return "", ()
    if sign == "=" and literal.type == "string":
        return _contains(field, _json(literal.value))
    return _present(field)


def _routes(field: Field, sign: str, literal: Literal) -> tuple[Route, ...]:
    if field.column:
        return _intrinsic_routes(field, sign, literal)
    if field.scope == "resource":
        return _service_routes(field, sign, literal)
    if field.key == ATTR_HTTP_RESPONSE_STATUS_CODE and field.scope == "span":
        return _failed_routes(sign, literal)
    label = identifying(field.key)
    if not label or literal.type != "string" or field.scope == "event":
        return ()
    return tuple(
        route if field.scope else _without_resource(route, field.key)
        for route in _word_routes(label, sign, literal.value)
    )


def _word_routes(label: str, sign: str, text: str) -> list[Route]:
    if sign == "=":
        return [scan.by_words([word_of(label, text)])]
    if sign != "=~":
        return []
    choices = literal_choices(text)
    if choices is not None:
        return [scan.by_words([word_of(label, choice) for choice in choices])]
    prefix, _ = literal_prefix(text)
    return [scan.by_prefix(SPANS, word_of(label, prefix))] if prefix else []


def _without_resource(route: Route, key: str) -> Route:
    """Return a route that is closed if a resource may have the attribute."""
    query = "SELECT 1 FROM resources WHERE instr(document, ?) LIMIT 1"

    def resolve(connection: sqlite3.Connection) -> list[scan.Source] | None:
        shared = connection.execute(query, (f"{_json(key)}:",)).fetchone()
        return None if shared else route.resolve(connection)

    return Route(route.rank, resolve)


def _intrinsic_routes(field: Field, sign: str, literal: Literal) -> tuple[Route, ...]:
    if field.column == "trace_id" and sign == "=":
        return (scan.by_index(0, "spans_id", "trace_id = ?", literal.value),)
    if sign == "=" and literal.value == "error" and field.type == "status":
        return (scan.by_index(1, "spans_error", "status = 2"),)
    if sign == "=" and field.type == "kind" and literal.value in ("server", "consumer"):
        number = KIND_NAMES.index(literal.value)
        return (scan.by_index(4, "spans_entry", "kind IN (2, 5) AND kind = ?", number),)
    if field.column == "duration_ns" and sign in (">", ">="):
        clause = f"duration_ns {sign} ?"
        return (scan.by_rare(SPANS, "spans_duration", clause, literal.value),)
    return ()


def _service_routes(field: Field, sign: str, literal: Literal) -> tuple[Route, ...]:
    if field.key != ATTR_SERVICE_NAME or literal.type != "string":
        return ()
    if sign == "=":
        return scan.by_service(SPANS, lambda service: service == literal.value)
    return scan.by_service(SPANS, finder(literal.value, whole=True)) if sign == "=~" else ()


def _failed_routes(sign: str, literal: Literal) -> tuple[Route, ...]:
    if literal.type != "number" or sign not in ("=", ">=", ">") or literal.value < FAILED_FROM:
        return ()
    return (Route(1, scan.by_words([FAILED]).resolve),)
