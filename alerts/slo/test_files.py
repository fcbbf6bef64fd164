"""The test files of an SLO, and the cases in each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from alerts.expected import external_labels
from alerts.promrules.test_file import Case, as_yaml
from alerts.promrules.yaml_text import dump
from alerts.slo import cases as cases_of
from alerts.slo import value_cases as values
from alerts.slo.cases import LONG_STEP, STEP, SLOCases
from alerts.slo.recording_rules import BAD, TOTAL
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile, Tier

# The longest pause between evaluations that counts as observed is 4 minutes.
GAP_STEP = timedelta(seconds=270)
NEAR = timedelta(hours=6)
HEADER = (
    "Written by `python -m alerts` from alerts/slo.yaml and alerts/windows.*.yaml; an edit here is"
    " lost.\nRun with: promtool test rules"
)


def slo_test_files(
    folder: Path, rules: str, objective: Objective, profile: Profile, header: str = HEADER
) -> dict[Path, str]:
    """Return the test files of an SLO in a profile.

    Args:
        folder: The folder of the tests.
        rules: The folder of the rule files, absolute or as seen from the tests.
        objective: The SLO.
        profile: Its windows.
        header: The first comment of each file.
    """
    stem = f"slo-{objective.name}"
    near, far = _tiers(objective, profile)
    steps = (STEP, LONG_STEP, GAP_STEP)
    short, long_step, gap = (SLOCases(objective, profile, step) for step in steps)
    files = {
        "": (short.step, _near_cases(short, near)),
        "-days": (long_step.step, _far_cases(long_step, far)),
        "-gap": (gap.step, [cases_of.heartbeat(gap, counted=False)]),
        "-weeks": (values.EVALUATION / profile.scale, _week_cases(short)),
    }
    groups = [stem, f"{stem}-period"]
    return {
        folder / f"{stem}{suffix}.test.yml": dump(
            as_yaml(f"{rules}/{stem}.yml", groups, evaluation, cases, external_labels()), header
        )
        for suffix, (evaluation, cases) in files.items()
    }


def _tiers(objective: Objective, profile: Profile) -> tuple[list[Tier], list[Tier]]:
    tiers = objective.tiers(profile)
    near = [tier for tier in tiers if tier.long_window * profile.scale <= NEAR]
    return near, [tier for tier in tiers if tier not in near]


def _near_cases(cases: SLOCases, tiers: list[Tier]) -> list[Case]:
    return [
        *(_burning(cases, tiers) if tiers else ()),
        cases_of.early_burst(cases),
        cases_of.idle(cases),
        cases_of.never_there(cases),
        cases_of.goes_and_returns(cases),
        cases_of.bad_side_gone(cases),
        cases_of.restart(cases),
        cases_of.exhausted(cases),
        values.raw_windows(cases),
    ]


def _burning(cases: SLOCases, tiers: list[Tier]) -> list[Case]:
    return [
        cases_of.steady(cases, tiers, another=True),
        cases_of.short_windows(cases, tiers),
        *_few(cases, tiers),
    ]


def _far_cases(cases: SLOCases, tiers: list[Tier]) -> list[Case]:
    heartbeat = cases_of.heartbeat(cases, counted=True)
    if not tiers:
        return [heartbeat]
    steady = cases_of.steady(cases, tiers, another=False)
    return [heartbeat, steady, cases_of.short_windows(cases, tiers), *_few(cases, tiers)]


def _few(cases: SLOCases, tiers: list[Tier]) -> list[Case]:
    return [
        cases_of.few_bad_events(cases, tier, enough=enough)
        for tier in tiers
        for enough in (False, True)
    ]


def _week_cases(cases: SLOCases) -> list[Case]:
    return [
        values.averaged_windows(cases, TOTAL, 1),
        values.averaged_windows(cases, BAD, 2),
        values.coverage(cases, 0.25),
        values.coverage(cases, 2),
        values.period(cases),
        values.period_coverage(cases),
        values.idle_period(cases),
    ]
