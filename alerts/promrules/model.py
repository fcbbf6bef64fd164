"""Rules as data, and their YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from .durations import show
from .errors import Place
from .yaml_text import dump


@dataclass(frozen=True)
class Recording:
    """A recording rule.

    Args:
        name: `level:metric:operations`.
        expr: PromQL.
        labels: Set on the result.
        place: The line that a person would edit.
    """

    name: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)
    place: Place | None = None

    def as_yaml(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        rule: dict[str, Any] = {"record": self.name, "expr": self.expr}
        return rule | ({"labels": self.labels} if self.labels else {})


@dataclass(frozen=True)
class Alert:
    """An alerting rule.

    Args:
        name: CamelCase, component first, symptom last.
        expr: PromQL.
        hold: How long it must hold; `for`.
        labels: Added to those of the expression.
        annotations: Texts for people; Prometheus fills in their templates.
        place: The line that a person would edit.
    """

    name: str
    expr: str
    hold: timedelta
    labels: dict[str, str]
    annotations: dict[str, str]
    place: Place | None = None

    def as_yaml(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        rule: dict[str, Any] = {"alert": self.name, "expr": self.expr}
        if self.hold:
            rule["for"] = show(self.hold)
        return rule | {"labels": self.labels, "annotations": self.annotations}


Rule = Recording | Alert


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after the other.

    Args:
        name: Unique in all files.
        rules: Recordings before the alerts that read them.
        interval: How often; None for Prometheus' own interval.
    """

    name: str
    rules: tuple[Rule, ...]
    interval: timedelta | None = None

    def as_yaml(self) -> dict[str, Any]:
        """Return the group as Prometheus reads it."""
        group: dict[str, Any] = {"name": self.name}
        if self.interval:
            group["interval"] = show(self.interval)
        return group | {"rules": [rule.as_yaml() for rule in self.rules]}


def rule_file(groups: Sequence[Group], header: str) -> str:
    """Return the text of a rule file."""
    return dump({"groups": [group.as_yaml() for group in groups]}, header)
