"""The part of LogQL that dashboards use, on the local store.

Selectors, line filters, label filters joined by `and` and `or`, the parsers `json` and `logfmt`,
`drop` and `keep`, and `rate` or `count_over_time` with `sum by`. All else raises BadQueryError.

Source: Loki 3.7 documentation, "Log queries" and "Metric queries".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.store.errors import BadQueryError
from local.store.queries import line_filters as filters
from local.store.queries import scan
from local.store.queries.tokens import MATCHERS, Tokens, nanoseconds, number, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.store.queries.line_filters import Line

_LINE_FILTERS = ("|=", "!=", "|~", "!~")
_NUMBERS = ("==", "=", "!=", ">", ">=", "<", "<=")


@dataclass
class LogQuery:
    """A parsed log query.

    Args:
        stages: Conditions, and changes of a line's labels, in order.
    """

    stages: list[scan.Condition | Callable[[Line], None]] = field(default_factory=list)

    @property
    def condition(self) -> scan.Condition:
        """What every line that passes the stages meets; `matches` decides about each."""
        return scan.all_of([one for one in self.stages if isinstance(one, scan.Condition)])

    def matches(self, line: Line) -> bool:
        """Send a line through the stages; return whether it passes them all."""
        for stage in self.stages:
            if isinstance(stage, scan.Condition):
                if not stage.test(line):
                    return False
            else:
                stage(line)
        return True


@dataclass
class MetricQuery:
    """Lines counted over a window.

    Args:
        per_second: `rate` instead of `count_over_time`.
        by: Labels to keep; None keeps all.
    """

    logs: LogQuery
    window_ns: int
    per_second: bool
    by: tuple[str, ...] | None


def parse(text: str) -> LogQuery | MetricQuery:
    """Parse a query.

    Raises:
        BadQueryError: It is malformed, or outside the supported part of the language.
    """
    tokens = Tokens("LogQL", text)
    query = _logs(tokens) if tokens.peek() == "{" else _metric(tokens)
    if tokens.peek():
        raise tokens.outside(f"expected the end of the query, found {tokens.peek()[:100]!r}")
    return query


def _logs(tokens: Tokens) -> LogQuery:
    query = LogQuery()
    tokens.expect("{")
    selective = False
    while not tokens.accept("}"):
        selective |= _selector(tokens, query)
        if tokens.peek() != "}":
            tokens.expect(",")
    if not selective:
        raise BadQueryError(
            "LogQL: a selector needs at least one label that may not be empty, such as"
            " {service_name=~'.+'}"
        )
    parsed = False
    while tokens.peek() in (*_LINE_FILTERS, "|"):
        parsed |= _stage(tokens, query, parsed=parsed)
    return query


def _selector(tokens: Tokens, query: LogQuery) -> bool:
    with tokens.term():
        name = tokens.take("name").text
        operator = tokens.take("op").text
        if operator not in MATCHERS:
            raise tokens.outside(f"{operator!r} is not a matcher of a selector")
        wanted = unquote(tokens.take("string"))
        query.stages.append(filters.label(name, operator, wanted))
        return not filters.value_test(operator, wanted)("")


def _stage(tokens: Tokens, query: LogQuery, *, parsed: bool) -> bool:
    """Read one stage; return whether it adds labels."""
    with tokens.term():
        line_filter = tokens.accept(*_LINE_FILTERS)
        if line_filter:
            query.stages.append(filters.text(line_filter, unquote(tokens.take("string"))))
            return False
        tokens.expect("|")
        parser = tokens.accept(*filters.PARSERS)
        if parser:
            query.stages.append(filters.PARSERS[parser])
            return True
        if tokens.peek() in ("drop", "keep"):
            query.stages.append(_kept(tokens))
        else:
            condition = _either(tokens)
            query.stages.append(scan.Condition(condition.test) if parsed else condition)
        return False


def _kept(tokens: Tokens) -> Callable[[Line], None]:
    keep = tokens.take("name").text == "keep"
    names = {tokens.take("name").text}
    while tokens.accept(","):
        names.add(tokens.take("name").text)
    return lambda line: line.restrict(names, keep=keep)


def _either(tokens: Tokens) -> scan.Condition:
    return scan.read_joined(tokens, _condition, either=("or",), both=("and", ","))


def _condition(tokens: Tokens) -> scan.Condition:
    name = tokens.take("name").text
    operator = tokens.accept(*MATCHERS, *_NUMBERS)
    if not operator:
        found = tokens.peek()[:100]
        raise tokens.outside(
            f"{name[:100]!r} is followed by {found!r}, which is not a known filter"
        )
    token = tokens.take("string", "number")
    if token.kind == "string" and operator in MATCHERS:
        return filters.label(name, operator, unquote(token))
    if token.kind == "number" and operator in _NUMBERS:
        return filters.number_label(name, operator, number(token.text))
    raise tokens.outside(f"{operator!r} cannot compare {name!r} with {token.text[:100]}")


def _metric(tokens: Tokens) -> MetricQuery:
    if not tokens.accept("sum"):
        return _counted(tokens, None)
    by = _by(tokens)
    tokens.expect("(")
    query = _counted(tokens, by or ())
    tokens.expect(")")
    query.by = by or _by(tokens) or ()
    return query


def _counted(tokens: Tokens, by: tuple[str, ...] | None) -> MetricQuery:
    function = tokens.accept("rate", "count_over_time")
    if not function:
        raise tokens.outside(f"{tokens.peek()[:100]!r} is not rate, count_over_time or sum")
    tokens.expect("(")
    logs = _logs(tokens)
    tokens.expect("[")
    window = nanoseconds(tokens.take("duration").text)
    if not window:
        raise BadQueryError("LogQL: a window must be longer than 0")
    tokens.expect("]")
    tokens.expect(")")
    return MetricQuery(logs, window, function == "rate", by)


def _by(tokens: Tokens) -> tuple[str, ...]:
    return tokens.names() if tokens.accept("by") else ()
