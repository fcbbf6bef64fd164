"""The alerts of an SLO: multi-window, multi-burn-rate, and two on the SLO's own series."""

from __future__ import annotations

from datetime import timedelta

from alerts.links import dashboard_url, has_runbook, runbook_url
from alerts.promql import STARTED
from alerts.promrules.durations import number, seconds, show
from alerts.promrules.model import Alert, Group, Rule
from alerts.slo.recording_rules import BAD, BURN_RATE, COVERAGE, REMAINING, TOTAL, SLORecordings
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile, Tier

SLO_DATA_MISSING = "SLODataMissing"
SLO_BUDGET_EXHAUSTED = "SLOErrorBudgetExhausted"
VALUE = '{{ $value | printf "%.1f" }}'


def slo_groups(objective: Objective, profile: Profile) -> list[Group]:
    """Return the two groups of an SLO: the burn rate alerts, and the budget of the period."""
    recordings = SLORecordings(objective, profile)
    name = f"slo-{objective.name}"
    burns = [_burn(recordings, tier) for tier in objective.tiers(profile)]
    main: tuple[Rule, ...] = (*recordings.main(), *burns, _data_missing(recordings))
    period: tuple[Rule, ...] = (*recordings.budget(), _budget_exhausted(recordings))
    return [
        Group(name, main, profile.interval),
        Group(f"{name}-period", period, profile.period_interval),
    ]


def _burn(recordings: SLORecordings, tier: Tier) -> Alert:
    objective, profile = recordings.objective, recordings.profile
    long_window, short_window = show(tier.long_window), show(tier.short_window)
    factor = number(tier.factor)
    return Alert(
        objective.alert,
        _burn_expr(recordings, tier),
        tier.hold,
        _labels(recordings, tier.severity)
        | {"burn": tier.name, "long_window": long_window, "short_window": short_window},
        _annotations(
            recordings,
            objective.alert,
            f"error budget burning {VALUE}× too fast ({long_window})",
            f"The error budget of {show(profile.period)} burned {VALUE}× too fast over the last"
            f" {long_window} (threshold {factor}×). At {factor}× a full budget is gone in"
            f" {_lasts(profile.period, tier.factor)}. SLO: {objective.description}",
        )
        | objective.texts[tier.severity].annotations,
        objective.place("alerting"),
    )


def _burn_expr(recordings: SLORecordings, tier: Tier) -> str:
    profile, factor = recordings.profile, number(tier.factor)
    long_name = profile.suffix(tier.long_window)
    events = f"{BAD}{long_name} * {seconds(tier.long_window)}"
    if tier.long_window > profile.raw_up_to:
        events += f" * {COVERAGE}{long_name}"
    return (
        f"{recordings.own(BURN_RATE + long_name)} > {factor}\n"
        f"and {BURN_RATE}{profile.suffix(tier.short_window)} > {factor}\n"
        f"and {events} >= {recordings.objective.min_bad_events}"
    )


def _data_missing(recordings: SLORecordings) -> Alert:
    objective, profile = recordings.objective, recordings.profile
    base = profile.suffix(profile.base_window)
    expr = f"absent({recordings.own(TOTAL + base)})\nor absent({recordings.own(BAD + base)})"
    expr = f"({expr})\nand {STARTED}"
    return Alert(
        SLO_DATA_MISSING,
        expr,
        profile.missing_hold,
        _labels(recordings, objective.lowest),
        _annotations(
            recordings,
            SLO_DATA_MISSING,
            "no data, its burn alerts cannot fire",
            f"The series of {objective.name} have been missing for {show(profile.missing_hold)}."
            " Its burn alerts cannot fire until the series return.",
        ),
        objective.place("sli", "events"),
    )


def _budget_exhausted(recordings: SLORecordings) -> Alert:
    objective, profile = recordings.objective, recordings.profile
    period = show(profile.period)
    return Alert(
        SLO_BUDGET_EXHAUSTED,
        f"{recordings.own(REMAINING)} < 0",
        profile.exhausted_hold,
        _labels(recordings, objective.lowest),
        _annotations(
            recordings,
            SLO_BUDGET_EXHAUSTED,
            f"error budget of {period} exhausted",
            f"{{{{ $value | humanizePercentage }}}} of the error budget of {period} is left"
            " (threshold 0%). The SLO is missed until old errors leave the period."
            f" SLO: {objective.description}",
        ),
        objective.place("objective"),
    )


def _labels(recordings: SLORecordings, severity: str) -> dict[str, str]:
    objective, profile = recordings.objective, recordings.profile
    return {
        **objective.texts[severity].labels,
        **objective.labels,
        "profile": profile.name,
        "slo_period": show(profile.period),
    }


def _annotations(
    recordings: SLORecordings, alert: str, summary: str, description: str
) -> dict[str, str]:
    name = recordings.objective.name
    runbook = {"runbook_url": runbook_url(alert)} if has_runbook(alert) else {}
    return {
        "summary": f"{name}: {summary}",
        "description": description + _demo_note(recordings.profile),
        **runbook,
        "dashboard_url": dashboard_url("slo", slo=name),
    }


def _lasts(period: timedelta, factor: float) -> str:
    """Return how long a full budget lasts at a burn rate, to the minute."""
    return show(timedelta(minutes=round(period / timedelta(minutes=1) / factor)))


def _demo_note(profile: Profile) -> str:
    return f" Demo: 1 minute here is {profile.scale} in production." if profile.scale > 1 else ""
