"""Which rules a suite asserts, and which of its assertions cannot fail: promtool tells neither.

promtool says SUCCESS to an alert that no rule has, to a series that nothing reads, to a rule file
that is not there and to a file without tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.promrules.durations import parse
from alerts.promrules.reading import names, selectors
from alerts.promrules.rule_sites import Site
from alerts.promrules.suite import ALERTS, TestDocument, load, mentioned, metric
from alerts.promrules.test_file import EXPR_TESTS, RULE_TESTS

# A case about absence says so in its name; every other one must feed what its alert reads.
ABSENCE = re.compile(
    r"\b(without|vanish\w*|gone|absent|never come|not discovered|is left)\b", re.IGNORECASE
)
OWN_LABELS = {"alertname", "alertstate"}


@dataclass(frozen=True)
class Look:
    """One time at which a case looks at an alert.

    Args:
        case: Which case of the file.
        at: Seconds from its start.
        labels: What the assertion demands of the alert's labels.
        fires: Whether it must fire.
    """

    case: int
    at: float
    labels: dict[str, str]
    fires: bool


def uncovered(paths: Iterable[Path]) -> list[str]:
    """Return what no test asserts, as sentences; empty when everything is covered."""
    tests = [load(path) for path in paths]
    rules: dict[Site, dict[str, Any]] = {}
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


def _recording_lacks(site: Site, tests: list[TestDocument]) -> list[str]:
    for test in tests:
        for case in test.document["tests"]:
            for entry in case.get(EXPR_TESTS, []):
                if entry.get("exp_samples") and site.name in mentioned(entry["expr"]):
                    return []
    return ["no value is asserted"]


def _alert_lacks(site: Site, rule: dict[str, Any], tests: list[TestDocument]) -> list[str]:
    labels = {str(k): str(v) for k, v in rule.get("labels", {}).items()}
    looks = [look for test in tests for look in looks_at(test, site.name)]
    fires = [look for look in looks if look.fires and _fits(look.labels, labels)]
    silent = [look for look in looks if not look.fires and _concerns(look.labels, labels)]
    lacks = [] if fires else ["no assertion that it fires"]
    if rule["expr"].startswith("vector("):
        return lacks
    fired = {(look.case, id(test)) for test in tests for look in looks_at(test, site.name)}
    if not silent or not fired:
        lacks.append("no near miss")
    if not any(s.case == f.case and s.at > f.at for s in silent for f in fires):
        lacks.append("no case in which it resolves")
    return lacks


def _fits(asserted: dict[str, str], static: dict[str, str]) -> bool:
    """Tell whether an assertion that something fires can only mean this rule."""
    return all(static[key] == value for key, value in asserted.items() if key in static)


def _concerns(asserted: dict[str, str], static: dict[str, str]) -> bool:
    return all(static.get(key, value) == value for key, value in asserted.items())


def looks_at(test: TestDocument, alert: str) -> Iterator[Look]:
    """Return every time at which a file's cases look at an alert."""
    for index, case in enumerate(test.document["tests"]):
        for entry in case.get(RULE_TESTS, []):
            if entry["alertname"] == alert:
                at = _seconds(entry["eval_time"])
                expected = entry.get("exp_alerts") or []
                yield from (Look(index, at, e.get("exp_labels", {}), True) for e in expected)
                if not expected:
                    yield Look(index, at, {}, False)
        for entry in case.get(EXPR_TESTS, []):
            for selector in selectors(entry["expr"]):
                labels = {m.label: m.value for m in selector.matchers if m.op == "="}
                if selector.name == ALERTS and labels.get("alertname") == alert:
                    kept = {k: v for k, v in labels.items() if k not in OWN_LABELS}
                    fires = bool(entry.get("exp_samples"))
                    yield Look(index, _seconds(entry["eval_time"]), kept, fires)


def _seconds(text: Any) -> float:
    return parse("0s" if str(text) == "0" else str(text)).total_seconds()


def vacuous(path: Path) -> list[str]:
    """Return the assertions of a test file that could not fail, as sentences."""
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
    """Tell whether a case feeds a rule: what it is made from, or a recording on the way."""
    reads = names(str(rule["expr"]))
    needed = test.needed(reads)
    leaves = reads.union(*(test.reads[name] for name in needed)) - set(test.reads)
    return leaves <= fed or bool(needed & fed)
