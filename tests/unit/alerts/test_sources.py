"""The README says of every metric that an alert reads what fires when the metric is gone."""

from __future__ import annotations

import re

from alerts.layout import LOCAL_JOBS, all_files, docker_jobs, stack_jobs
from alerts.paths import HERE
from alerts.promrules.model import Alert, Recording
from alerts.promrules.reading import names

HEADING = "## When the source of an alert is gone\n"
RULES = [rule for groups in all_files().values() for group in groups for rule in group.rules]
ALERT_NAMES = {rule.name for rule in RULES if isinstance(rule, Alert)}
CODE = re.compile(r"`([^`]+)`")


def rows() -> list[list[str]]:
    section = (HERE / "README.md").read_text("utf-8").split(HEADING)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def read_by_alerts() -> set[str]:
    """The metrics from outside that alerts read, through any number of recordings."""
    recorded = {rule.name for rule in RULES if isinstance(rule, Recording)}
    return set().union(*(names(rule.expr) for rule in RULES)) - recorded


def answers(row: list[str]) -> set[str]:
    return {name for name in CODE.findall(row[2]) if name in ALERT_NAMES}


def test_every_metric_that_an_alert_reads_has_one_row():
    listed = [name for row in rows() for name in CODE.findall(row[0])]
    assert sorted(listed) == sorted(read_by_alerts())


def test_every_row_names_an_alert_or_accepts_the_silence():
    for row in rows():
        assert answers(row) or row[2].startswith("accepted: "), row[0]


def test_an_alert_is_not_its_own_guard_unless_it_says_so():
    for row in rows():
        for metric in CODE.findall(row[0]):
            readers = {
                rule.name
                for rule in RULES
                if isinstance(rule, Alert) and metric in names(rule.expr)
            }
            others = answers(row) - readers
            own = {n for n in answers(row) & readers if n in absence_aware()}
            assert others or own or "accepted: " in row[2], metric


def absence_aware() -> set[str]:
    """The alerts that fire when a series is missing; their tests have a case of it."""
    guards = re.compile(r"absent\(|or vector\(0\)|unless|or .* \* 0")
    return {r.name for r in RULES if isinstance(r, Alert) and guards.search(r.expr)}


def test_every_source_is_scraped_in_one_of_the_modes():
    jobs = {*LOCAL_JOBS, *docker_jobs(), *stack_jobs()}
    for row in rows()[1:]:
        assert set(CODE.findall(row[1])) <= jobs, row[0]


def test_no_row_names_an_alert_that_does_not_exist():
    for row in rows():
        for name in CODE.findall(row[2]):
            assert name in ALERT_NAMES or not name[0].isupper(), name
