"""Damage to a rule: to its expression, its `for`, its labels, its annotations, or all of it."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..promrules import durations, rule_sites
from .expression_mutants import expression_mutants

SEVERITY = {"page": "ticket", "ticket": "page", "critical": "warning", "warning": "critical"}
# Damage that must never go unnoticed: it decides whether an alert fires, when, and who gets it.
CRITICAL = ("threshold", "comparison", "for", "severity", "guard", "delete")


@dataclass(frozen=True)
class Mutant:
    """One damaged rule.

    Args:
        site: The rule.
        operator: The kind of damage.
        before: The rule as it is.
        after: The damaged rule; None if the rule is deleted.
    """

    site: rule_sites.Site
    operator: str
    before: rule_sites.RawRule
    after: rule_sites.RawRule | None

    @property
    def diff(self) -> str:
        """Return the lines of the rule that differ."""
        old = _lines(self.before)
        new = _lines(self.after) if self.after is not None else []
        lines = difflib.unified_diff(old, new, lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _lines(rule: rule_sites.RawRule) -> list[str]:
    expr = str(rule["expr"]).splitlines()
    rest = {key: value for key, value in rule.items() if key != "expr"}
    text: str = yaml.safe_dump(rest, sort_keys=False, width=10_000, allow_unicode=True)
    return ["expr: " + expr[0], *("      " + line for line in expr[1:]), *text.splitlines()]


def mutants(file: Path) -> Iterator[Mutant]:
    """Return every mutant of every rule of a file."""
    for site, rule in rule_sites.sites(file):
        for operator, after in _damages(rule):
            yield Mutant(site, operator, rule, after)


def _damages(rule: rule_sites.RawRule) -> Iterator[tuple[str, rule_sites.RawRule | None]]:
    for operator, expr in expression_mutants(str(rule["expr"])):
        yield operator, rule | {"expr": expr}
    yield from _holds(rule)
    for key, value in rule.get("labels", {}).items():
        operator = "severity" if key == "severity" else "label"
        changed = SEVERITY.get(value, f"{value}-changed")
        yield operator, _with(rule, "labels", key, changed)
    for key, value in rule.get("annotations", {}).items():
        yield "annotation", _with(rule, "annotations", key, f"{value} changed")
    yield "delete", None


def _holds(rule: rule_sites.RawRule) -> Iterator[tuple[str, rule_sites.RawRule]]:
    for key, operator in (("for", "for"), ("keep_firing_for", "keep_firing_for")):
        if key in rule:
            yield operator, {k: v for k, v in rule.items() if k != key}
            yield operator, rule | {key: durations.show(durations.parse(str(rule[key])) * 2)}


def _with(rule: rule_sites.RawRule, part: str, key: str, value: str) -> rule_sites.RawRule:
    changed = copy.deepcopy(rule)
    changed[part][key] = value
    return changed
