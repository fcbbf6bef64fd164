"""The filters and parsers of LogQL: conditions on a stored line, and changes of its labels."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

import orjson
import re2

from local.store.queries import scan
from local.store.queries.patterns import finder, literal_choices, literal_prefix
from local.store.queries.scan import LOGS, Condition, Route, Source
from local.store.rows import level_of
from local.store.semconv import LEVELS
from local.store.words import constant_part, identifying, label_of, template_words, word_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

Labels = dict[str, str]
SERVICE, TRACE, SPAN = "service_name", "trace_id", "span_id"
LEVEL, SEVERITY = "detected_level", "severity_text"
# Source: Loki 3.7, "Ingesting logs using OTLP": what becomes structured metadata.
SCOPE = ("scope_name", "scope_version", "event_name")
ERROR = "__error__"
MOST_TEMPLATES = 50
# Objects in objects of a JSON line; what is deeper is left out.
DEEPEST = 20
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
# RE2's, since the text of a line is anyone's: a backtracking search for `=` takes minutes.
_LOGFMT = re2.compile(r'([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
# Text that JSON writes as it is, whatever the type of the value.
_PLAIN = re.compile(r"[^\"\\\[\]{}\x00-\x1f]+")


class Line:
    """A stored line on its way through the stages; its labels are built when one asks for them."""

    __slots__ = ("_labels", "_resource", "row")

    def __init__(self, row: sqlite3.Row, resource: Labels) -> None:
        self.row = row
        self._resource = resource
        self._labels: Labels | None = None

    @property
    def service(self) -> str:
        """The label `service_name`, without building the others."""
        return self.row["service"] if self._labels is None else self._labels.get(SERVICE, "")

    @property
    def labels(self) -> Labels:
        """Its labels with structured metadata."""
        if self._labels is None:
            row = self.row
            level = level_of(row["severity"])
            labels = labels_of(orjson.loads(row["attributes"])) | self._resource
            labels[SERVICE] = row["service"]
            labels[LEVEL] = level
            labels[SEVERITY] = row["severity_text"] or level.upper()
            labels.update((name, row[name]) for name in SCOPE if row[name])
            if row["trace_id"]:
                labels[TRACE], labels[SPAN] = row["trace_id"], row["span_id"]
            self._labels = labels
        return self._labels

    def restrict(self, names: set[str], *, keep: bool) -> None:
        """Keep only these labels, or drop them."""
        self._labels = {key: one for key, one in self.labels.items() if (key in names) == keep}


def labels_of(attributes: dict[str, Any]) -> Labels:
    """Return attributes as labels; a value that is no text is JSON."""
    return {
        label_of(key): value if isinstance(value, str) else orjson.dumps(value).decode()
        for key, value in attributes.items()
    }


def value_test(sign: str, wanted: str) -> Callable[[str], bool]:
    """Return the test of `=`, `!=`, `=~` or `!~`; a regular expression matches the whole value."""
    if sign in ("=", "!="):
        return lambda value: (value == wanted) == (sign == "=")
    found = finder(wanted, whole=True)
    return lambda value: found(value) == (sign == "=~")


def label(name: str, sign: str, wanted: str) -> Condition:
    """Return the condition on a label."""
    test = value_test(sign, wanted)
    if name == SERVICE:
        routes = () if test("") else scan.by_service(LOGS, test)
        return Condition(lambda line: test(line.service), routes=routes)
    sql, values = ("", ()) if test("") else _containing(name, sign, wanted)
    routes = () if test("") else _routes(name, sign, wanted)
    return Condition(lambda line: test(line.labels.get(name, "")), sql, values, routes)


def number_label(name: str, sign: str, wanted: float) -> Condition:
    """Return the condition on a label with a number; other values pass with Loki's error label."""
    compare = _COMPARE[sign]

    def test(line: Line) -> bool:
        value = line.labels.get(name)
        try:
            return value is not None and compare(float(value), wanted)
        except ValueError:
            line.labels[ERROR] = "LabelFilterErr"
            return True

    return Condition(test)


def text(sign: str, wanted: str) -> Condition:
    """Return the condition on the line itself."""
    if sign in ("|=", "!="):
        has = sign == "|="
        return Condition(
            lambda line: (wanted in line.row["body"]) == has,
            f"(instr(body, ?) > 0) = {int(has)}",
            (wanted,),
            _text_routes(wanted) if has else (),
        )
    found = finder(wanted, whole=False)
    start, _ = literal_prefix(wanted)
    if sign == "!~" or not start:
        return Condition(lambda line: found(line.row["body"]) == (sign == "|~"))
    return Condition(
        lambda line: found(line.row["body"]), "instr(body, ?)", (start,), _text_routes(start)
    )


def _text_routes(wanted: str) -> tuple[Route, ...]:
    part = constant_part(wanted)

    def resolve(connection: sqlite3.Connection) -> list[Source] | None:
        words = template_words(connection, part, MOST_TEMPLATES)
        return None if words is None else [Source("words.word = ?", (one,)) for one in words]

    return (Route(2, resolve),) if part else ()


def _containing(name: str, sign: str, wanted: str) -> tuple[str, tuple[Any, ...]]:
    """Return SQL that passes rows in whose JSON the value, or its beginning, occurs."""
    made = name in (LEVEL, SEVERITY, *SCOPE) or name.startswith("__")
    if made or sign not in ("=", "=~"):
        return "", ()
    part = wanted if sign == "=" else literal_prefix(wanted)[0]
    if not part or not _PLAIN.fullmatch(part):
        return "", ()
    shared = "resource_id IN (SELECT id FROM resources WHERE instr(document, ?))"
    own = f"instr({name}, ?) = 1 OR " if name in (TRACE, SPAN) else ""
    values = (part,) if own else ()
    return f"({own}instr(attributes, ?) OR {shared})", (*values, part, part)


def _routes(name: str, sign: str, wanted: str) -> tuple[Route, ...]:
    if name == LEVEL:
        return _level_routes(sign, wanted)
    # The span's id is a column without an index, not a word.
    if sign not in ("=", "=~") or not identifying(name) or name == SPAN:
        return ()
    choices = [wanted] if sign == "=" else literal_choices(wanted)
    words = [word_of(name, choice) for choice in choices or ()]
    prefixes = [] if words else _beginnings(name, wanted)
    found = [scan.by_words(words)] if words else []
    found += [scan.by_prefix(LOGS, word_of(name, prefix)) for prefix in prefixes]
    if name == TRACE:
        clause = "trace_id >= ? AND trace_id < ? AND trace_id <> ''"
        spans = [(one, one + "\x00") for one in choices or ()]
        spans += [(one, one + "\U0010ffff") for one in prefixes]
        found += [scan.by_rare(LOGS, "logs_trace", clause, *span) for span in spans]
    return (_all_open(found, name),) if found else ()


def _beginnings(name: str, pattern: str) -> list[str]:
    """Return the texts of which every match begins with one; none if there is no such text.

    `0*` is how queries allow for ids without their leading zeros.
    """
    zeros = name == TRACE and pattern.startswith("0*")
    prefix, _ = literal_prefix(pattern.removeprefix("0*") if zeros else pattern)
    if not prefix or not zeros:
        return [prefix] if prefix else []
    return ["0" * count + prefix for count in range(max(1, 33 - len(prefix)))]


def _all_open(routes: list[Route], name: str) -> Route:
    """Return the route that follows all of these; closed if a resource may have the label."""

    def resolve(connection: sqlite3.Connection) -> list[Source] | None:
        documents = connection.execute("SELECT document FROM resources")
        if any(name in labels_of(orjson.loads(row[0])) for row in documents):
            return None
        sources: list[Source] = []
        for route in routes:
            found = route.resolve(connection)
            if found is None:
                return None
            sources += found
        return list(dict.fromkeys(sources))

    return Route(min(route.rank for route in routes), resolve)


def _level_routes(sign: str, wanted: str) -> tuple[Route, ...]:
    choices = [wanted] if sign == "=" else literal_choices(wanted) if sign == "=~" else None
    numbers = [LEVELS.get(choice, 0) for choice in choices or ()]
    if not numbers or min(numbers) < LEVELS["warn"]:
        return ()
    clause = f"severity >= {LEVELS['warn']} AND severity >= ?"
    return (scan.by_index(1, "logs_severe", clause, min(numbers)),)


def parse_json(line: Line) -> None:
    """Add the fields of a line that is a JSON object, nested ones joined by `_`."""
    try:
        document = orjson.loads(line.row["body"])
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        _add(line, dict(_flat(document, "", DEEPEST)))
    else:
        line.labels[ERROR] = "JSONParserErr"


def _flat(document: dict[str, Any], prefix: str, depth: int) -> list[tuple[str, str]]:
    found = []
    for key, value in document.items():
        name = prefix + label_of(key)
        if isinstance(value, dict):
            found += _flat(value, f"{name}_", depth - 1) if depth else []
        elif not isinstance(value, list) and value is not None:
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            found.append((name, text))
    return found


def parse_logfmt(line: Line) -> None:
    """Add the `key=value` pairs of a line."""
    pairs = _LOGFMT.findall(line.row["body"])
    _add(line, {label_of(key): quoted or plain for key, quoted, plain in pairs})


def _add(line: Line, found: Labels) -> None:
    labels = line.labels
    for name, value in found.items():
        labels[f"{name}_extracted" if name in labels else name] = value


PARSERS: dict[str, Callable[[Line], None]] = {"json": parse_json, "logfmt": parse_logfmt}
