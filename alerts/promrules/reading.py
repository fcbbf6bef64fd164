"""Analyze an expression: its selectors, and the labels that it groups by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import promql_parser
from promql_parser import Expr, MatrixSelector, VectorSelector

LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Matcher:
    """A condition on a label; `op` is =, !=, =~ or !~."""

    label: str
    op: str
    value: str


@dataclass(frozen=True)
class Selector:
    """Series that an expression reads.

    Args:
        name: The metric; empty where it is chosen by a regular expression.
        matchers: Conditions on labels.
        window: The range in brackets, if any.
    """

    name: str
    matchers: tuple[Matcher, ...]
    window: timedelta | None


OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def parse(expr: str) -> Expr:
    """Return the tree of an expression.

    Raises:
        ValueError: The text is not PromQL.
    """
    return promql_parser.parse(expr)


def selectors(expr: str) -> list[Selector]:
    """Return every selector of an expression."""
    found: list[Selector] = []
    window: list[timedelta] = []

    def visit(node: Expr) -> None:
        if isinstance(node, MatrixSelector):
            window.append(node.range)
        elif isinstance(node, VectorSelector):
            matchers = tuple(
                Matcher(m.name, OPS[str(m.op).split(".")[-1]], m.value)
                for m in node.matchers.matchers
            )
            found.append(Selector(node.name or "", matchers, window.pop() if window else None))

    promql_parser.walk(parse(expr), pre_visit=visit)
    return found


def names(expr: str) -> set[str]:
    """Return the metrics that an expression reads."""
    return {selector.name for selector in selectors(expr)}


def grouping_labels(expr: str) -> set[str]:
    """Return every label in a `by`, `without`, `on`, `ignoring` or `group_…` list."""
    lists = LABEL_LISTS.findall(re.sub(r'"[^"]*"', '""', expr))
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}
