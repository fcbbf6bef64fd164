"""Tests of what is generated from a scrape file: one absent job, one alert."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from alerts.promrules.model import Alert, Group, dump
from alerts.promrules.test_file import Case, as_yaml

STEP = timedelta(minutes=1)
NAME = "TargetMissing"


def target_tests(group: Group, jobs: Sequence[str], header: str) -> str:
    """Return the test file of a group that has one rule per job."""
    return dump(as_yaml("targets.yml", [group.name], STEP, [_gone(group, j) for j in jobs]), header)


def _gone(group: Group, job: str) -> Case:
    """Return the case of one job that vanishes and returns while the others stay."""
    others = [rule.labels["job"] for rule in group.rules if isinstance(rule, Alert)]
    series = [(f'up{{job="{j}",instance="i"}}', "1x40") for j in others if j != job]
    series.append((f'up{{job="{job}",instance="i"}}', "1x5 stale _x19 1x15"))
    case = Case(f"{job} is reported when it has not been discovered for 10 minutes", STEP, series)
    rule = next(r for r in group.rules if isinstance(r, Alert) and r.labels["job"] == job)
    expected = {"exp_labels": rule.labels, "exp_annotations": rule.annotations}
    # The stale marker stands at minute 6.
    case.expect_alerts(5 * STEP, NAME, [])
    case.expect_alerts(15 * STEP, NAME, [])
    case.expect_alerts(16 * STEP, NAME, [expected])
    case.expect_alerts(26 * STEP, NAME, [])
    return case
