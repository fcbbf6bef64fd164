"""Which rules a suite does not cover, and which of its assertions cannot fail.

promtool reports neither: it prints SUCCESS for an alert that no rule has, for a series that nothing
reads, for a rule file that does not exist and for a file without tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from alerts.mutation.suite import (
    EXPR_TESTS,
    RULE_TESTS,
    TestDocument,
    eval_time,
    load,
    mentioned,
    metric,
)
from alerts.promrules import reading, rule_sites

# The name of a case about absence has one of these words; every other case must feed its alert.
ABSENCE = re.compile(
    r"\b(without|vanish\w*|gone|absent|never come|not discovered|is left)\b", re.IGNORECASE
)
OWN_LABELS = {"alertname", "alertstate"}


@dataclass(frozen=True)
class Check:
    """One time at which a case checks an alert.

    Args:
        case: Which case of the file.
        at: Time from its start.
        labels: The alert's labels that are asserted.
        fires: Whether it must fire.
    """

    case: int
    at: timedelta
    labels: dict[str, str]
    fires: bool


def uncovered(paths: Iterable[Path]) -> list[str]:
    """Return what no test asserts, a line each; empty when everything is covered."""
    tests = [load(path) for path in paths]
    rules: dict[rule_sites.Site, dict[str, Any]] = {}
    for test in tests:
        rules |= {site: rule for entries in test.rules.values() for site, rule in entries}
    found = []
    for site, rule in rules.items():
        here = [test for test in tests if site.file in test.files]
        lacks = _recording_lacks(site, here) if "record" in rule else _alert_lacks(site, rule, here)
        found += [
            f"{site.file.name}: {site.name} {rule.get('labels', {})}: {lack}" for lack in lacks
        ]
    return found


def _recording_lacks(site: rule_sites.Site, tests: list[TestDocument]) -> list[str]:
    for test in tests:
        for case in test.document["tests"]:
            for entry in case.get(EXPR_TESTS, []):
                if entry.get("exp_samples") and site.name in mentioned(entry["expr"]):
                    return []
    return ["no value is asserted"]


def _alert_lacks(
    site: rule_sites.Site, rule: dict[str, Any], tests: list[TestDocument]
) -> list[str]:
    labels = {str(k): str(v) for k, v in rule.get("labels", {}).items()}
    checks = [check for test in tests for check in checks_of(test, site.name)]
    fires = [check for check in checks if check.fires and _fits(check.labels, labels)]
    silent = [check for check in checks if not check.fires and _concerns(check.labels, labels)]
    lacks = [] if fires else ["no assertion that it fires"]
    if rule["expr"].startswith("vector("):
        return lacks
    fired = {(check.case, id(test)) for test in tests for check in checks_of(test, site.name)}
    if not silent or not fired:
        lacks.append("no near miss")
    if not any(s.case == f.case and s.at > f.at for s in silent for f in fires):
        lacks.append("no case in which it resolves")
    return lacks


def _fits(asserted: dict[str, str], static: dict[str, str]) -> bool:
    """Return whether an assertion that an alert fires can only be about this rule."""
    return all(static[key] == value for key, value in asserted.items() if key in static)


def _concerns(asserted: dict[str, str], static: dict[str, str]) -> bool:
    return all(static.get(key, value) == value for key, value in asserted.items())


def checks_of(test: TestDocument, alert: str) -> Iterator[Check]:
    """Return every time at which a file's cases check an alert."""
    for index, case in enumerate(test.document["tests"]):
        for entry in case.get(RULE_TESTS, []):
            if entry["alertname"] == alert:
                at = eval_time(entry)
                expected = entry.get("exp_alerts") or []
                yield from (Check(index, at, e.get("exp_labels", {}), True) for e in expected)
                if not expected:
                    yield Check(index, at, {}, False)
        for entry in case.get(EXPR_TESTS, []):
            for selector in reading.selectors(entry["expr"]):
                labels = {m.label: m.value for m in selector.matchers if m.op == "="}
                if selector.name == "ALERTS" and labels.get("alertname") == alert:
                    kept = {k: v for k, v in labels.items() if k not in OWN_LABELS}
                    fires = bool(entry.get("exp_samples"))
                    yield Check(index, eval_time(entry), kept, fires)


def vacuous(path: Path) -> list[str]:
    """Return the assertions of a test file that cannot fail, a line each."""
    test = load(path)
    if not test.document.get("tests"):
        return [f"{path.name}: no tests"]
    groups = {site.group for entries in test.rules.values() for site, _ in entries}
    ordered = len(test.document.get("group_eval_order", []))
    found = []
    if len(groups) > 1 and ordered < len(groups):
        found.append(f"{path.name}: group_eval_order does not name every group")
    for case in test.document["tests"]:
        name = case.get("name", "")
        fed = {metric(entry["series"]) for entry in case.get("input_series", [])}
        for entry in case.get(RULE_TESTS, []):
            alert = entry["alertname"]
            if alert not in test.rules:
                found.append(f"{path.name}: {name!r}: no rule is called {alert}")
            elif entry.get("exp_alerts") or ABSENCE.search(name):
                continue
            elif not any(_can_fire(test, rule, fed) for _, rule in test.rules[alert]):
                found.append(f"{path.name}: {name!r}: {alert} has nothing to fire on")
    return found


def _can_fire(test: TestDocument, rule: dict[str, Any], fed: set[str]) -> bool:
    """Return whether a case feeds a rule, from raw series or from a recording in between."""
    reads = reading.names(str(rule["expr"]))
    needed = test.needed(reads)
    leaves = reads.union(*(test.reads[name] for name in needed)) - set(test.reads)
    return leaves <= fed or bool(needed & fed)
