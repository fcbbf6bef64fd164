"""The part of LogQL that dashboards use, on the local store.

Selectors, line filters, label filters joined by `and` and `or`, parsers, which have no effect
here, and `rate` or `count_over_time` with `sum by`. Anything else raises BadQueryError.

Source: Loki 3.7 documentation, "Log queries" and "Metric queries".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.store.errors import BadQueryError
from local.store.queries.tokens import MATCHERS, Tokens, matcher, nanoseconds, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

Labels = dict[str, str]
_LINE_FILTERS = ("|=", "!=", "|~", "!~")
# The store keeps fields in columns already, so these have no effect.
_PARSERS = ("json", "logfmt", "drop", "keep")


@dataclass
class LogQuery:
    """A parsed log query.

    Args:
        equal: Labels that must equal a value, for the index.
        tests: Tests that a line must pass, given its labels and itself.
    """

    equal: Labels = field(default_factory=dict)
    tests: list[Callable[[Labels, str], bool]] = field(default_factory=list)

    def matches(self, labels: Labels, line: str) -> bool:
        """Return whether a line and its labels pass every test."""
        return all(test(labels, line) for test in self.tests)


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
        raise tokens.outside(f"expected the end of the query, found {tokens.peek()!r}")
    return query


def _logs(tokens: Tokens) -> LogQuery:
    query = LogQuery()
    tokens.expect("{")
    while not tokens.accept("}"):
        _selector(tokens, query)
        if tokens.peek() != "}":
            tokens.expect(",")
    if not query.tests:
        raise BadQueryError(
            "LogQL: a selector needs at least one label, such as {service_name=~'.+'}"
        )
    while tokens.peek() in (*_LINE_FILTERS, "|"):
        _stage(tokens, query)
    return query


def _selector(tokens: Tokens, query: LogQuery) -> None:
    name = tokens.take("name").text
    operator = tokens.take("op").text
    if operator not in MATCHERS:
        raise tokens.outside(f"{operator!r} is not a matcher of a selector")
    wanted = unquote(tokens.take("string"))
    if operator == "=":
        query.equal[name] = wanted
    query.tests.append(_label_test(name, operator, wanted))


def _stage(tokens: Tokens, query: LogQuery) -> None:
    line_filter = tokens.accept(*_LINE_FILTERS)
    if line_filter:
        query.tests.append(_line_test(line_filter, unquote(tokens.take("string"))))
        return
    tokens.expect("|")
    parser = tokens.accept(*_PARSERS)
    if parser in ("drop", "keep"):
        tokens.take("name")
        while tokens.accept(","):
            tokens.take("name")
    elif not parser:
        query.tests.append(_either(tokens))


def _either(tokens: Tokens) -> Callable[[Labels, str], bool]:
    choices = [_both(tokens)]
    while tokens.accept("or"):
        choices.append(_both(tokens))
    return lambda labels, line: any(choice(labels, line) for choice in choices)


def _both(tokens: Tokens) -> Callable[[Labels, str], bool]:
    tests = [_condition(tokens)]
    while tokens.accept("and", ","):
        tests.append(_condition(tokens))
    return lambda labels, line: all(test(labels, line) for test in tests)


def _condition(tokens: Tokens) -> Callable[[Labels, str], bool]:
    if tokens.accept("("):
        inside = _either(tokens)
        tokens.expect(")")
        return inside
    name = tokens.take("name").text
    operator = tokens.accept(*MATCHERS, "==")
    if not operator:
        raise tokens.outside(
            f"{name!r} is followed by {tokens.peek()!r}, which is not a known filter"
        )
    token = tokens.take("string", "number")
    wanted = unquote(token) if token.kind == "string" else token.text
    return _label_test(name, operator.replace("==", "="), wanted)


def _label_test(name: str, operator: str, wanted: str) -> Callable[[Labels, str], bool]:
    test = matcher(operator, wanted)
    return lambda labels, _line: test(labels.get(name, ""))


def _line_test(operator: str, wanted: str) -> Callable[[Labels, str], bool]:
    if operator in ("|=", "!="):
        return lambda _labels, line: (wanted in line) == (operator == "|=")
    try:
        pattern = re.compile(wanted)
    except re.error as error:
        raise BadQueryError(f"LogQL: regular expression {wanted!r}: {error}") from None
    return lambda _labels, line: bool(pattern.search(line)) == (operator == "|~")


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
        raise tokens.outside(f"{tokens.peek()!r} is not rate, count_over_time or sum")
    tokens.expect("(")
    logs = _logs(tokens)
    tokens.expect("[")
    window = nanoseconds(tokens.take("duration").text)
    tokens.expect("]")
    tokens.expect(")")
    return MetricQuery(logs, window, function == "rate", by)


def _by(tokens: Tokens) -> tuple[str, ...]:
    if not tokens.accept("by"):
        return ()
    tokens.expect("(")
    names = [tokens.take("name").text]
    while tokens.accept(","):
        names.append(tokens.take("name").text)
    tokens.expect(")")
    return tuple(names)
