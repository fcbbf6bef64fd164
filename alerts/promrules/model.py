"""Rules as data, and how they are written as YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import yaml

from alerts.promrules.durations import show
from alerts.promrules.errors import Place


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
        labels: Always severity, service and team; slo only where there is one.
        annotations: summary, description, runbook_url, dashboard_url.
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


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and nothing as an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """Tell that a repeated value is written again."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(document: Any, header: str) -> str:
    """Return a document as YAML below a comment that names its author."""
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return comment + str(body)


def rule_file(groups: Sequence[Group], header: str) -> str:
    """Return the text of a rule file."""
    return dump({"groups": [group.as_yaml() for group in groups]}, header)
