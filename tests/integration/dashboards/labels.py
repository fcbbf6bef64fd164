"""The labels of a PromQL query's result, and the labels it uses that do not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import promql_parser as promql

# Prometheus sets these on every scraped series.
OF_TARGETS = frozenset({"job", "instance"})


class Labels:
    """The labels of queries over known metrics; collects unknown metrics and labels in `problems`.

    Args:
        known: Labels by name of a series, without job and instance.
    """

    def __init__(self, known: Mapping[str, set[str]]) -> None:
        self.known = known
        self.problems: list[str] = []

    def of(self, node: Any) -> set[str]:
        """Return the labels that the result of a node may have."""
        if isinstance(node, promql.VectorSelector):
            return self._of_selector(node)
        if isinstance(node, promql.MatrixSelector):
            return self._of_selector(node.vector_selector)
        if isinstance(node, promql.AggregateExpr):
            return self._of_aggregate(node)
        if isinstance(node, promql.BinaryExpr):
            return self._of_binary(node)
        if isinstance(node, promql.Call):
            return self._of_call(node)
        inner = getattr(node, "expr", None)
        return self.of(inner) if inner is not None else set()

    def _want(self, label: str, have: set[str], where: str) -> None:
        if label not in have:
            self.problems.append(f"{where} has no label {label!r}")

    def _of_selector(self, node: Any) -> set[str]:
        if not node.name:
            return {*OF_TARGETS, "__name__"}
        if node.name not in self.known:
            self.problems.append(f"{node.name} is not exposed")
            return set(OF_TARGETS)
        have = self.known[node.name] | OF_TARGETS
        for matcher in node.matchers.matchers:
            self._want(matcher.name, have, node.name)
        return have

    def _of_aggregate(self, node: Any) -> set[str]:
        have = self.of(node.expr)
        if node.modifier is None:
            return have if str(node.op) in ("topk", "bottomk") else set()
        named = set(node.modifier.labels)
        for label in named:
            self._want(label, have, f"the expression under {node.modifier}")
        return named if node.modifier.type == promql.AggModifierType.By else have - named

    def _of_binary(self, node: Any) -> set[str]:
        left, right = self.of(node.lhs), self.of(node.rhs)
        matching = node.modifier.matching if node.modifier else None
        for label in matching.labels if matching else ():
            # One side may lack the label: that is why it is ignored.
            self._want(label, left | right, f"neither side of {node.op}")
        if str(node.op) == "or" or not left:
            return left | right
        return left

    def _of_call(self, node: Any) -> set[str]:
        name, args = node.func.name, node.args
        have = set().union(*(self.of(arg) for arg in args))
        if name == "histogram_quantile":
            self._want("le", have, "the argument of histogram_quantile")
            return have - {"le"}
        if name in ("label_replace", "label_join"):
            sources = args[3:4] if name == "label_replace" else args[3:]
            for source in (one.val for one in sources if one.val):
                self._want(source, have, name)
            return have | {args[1].val}
        return have
