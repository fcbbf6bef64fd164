"""Tests of an SLO's rules, as promtool files: what fires, when to the step, and what stays silent.

The expectations come from arithmetic on the traffic, never from the rules. Durations are the
profile's, so the demo profile is held to the same promises, twelve times faster.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from alerts.promrules.durations import number, show
from alerts.promrules.model import Alert, Recording
from alerts.promrules.test_file import Case
from alerts.slo.alerting_rules import SLO_BUDGET_EXHAUSTED, SLO_DATA_MISSING, slo_groups
from alerts.slo.notation import Phase, counter, gauge
from alerts.slo.recording_rules import (
    BAD,
    BURN_RATE,
    COVERAGE,
    ERROR_RATIO,
    OBSERVED,
    SPARSE_OBSERVED,
    TOTAL,
)
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile, Tier

EVENTS = 1200.0
STEP = timedelta(minutes=1)
LONG_STEP = timedelta(minutes=4)
FASTEST = 50.0
MARGIN = 3
TOLERANCE = 0.05


class SLOCases:
    """The tests of one SLO in one profile.

    Args:
        objective: The SLO.
        profile: Its windows.
        step: Between samples and evaluations, in production durations.
    """

    def __init__(self, objective: Objective, profile: Profile, step: timedelta) -> None:
        self.objective = objective
        self.profile = profile
        self.step = step / profile.scale
        self.tiers = objective.tiers(profile)
        self.budget = objective.budget
        # As fast as the budget allows, so that every tier is crossed soon.
        self.burn = min(FASTEST, 0.9 / self.budget)
        self.groups = slo_groups(objective, profile)
        self.long_windows = {tier.long_window for tier in self.tiers}
        self.windows = sorted(self.long_windows | {tier.short_window for tier in self.tiers})

    def traffic(self, steps: int, burn: float) -> Phase:
        """Return a phase whose budget burns so many times too fast."""
        return Phase(steps, EVENTS, EVENTS * burn * self.budget)

    def series(self, phases: list[Phase]) -> list[tuple[str, str]]:
        """Return the SLO's input series for a course of traffic."""
        fixtures = self.objective.test_series
        shares = {f.counts: sum(o.counts == f.counts for o in fixtures) for f in fixtures}
        return [(f.series, counter(phases, f.counts, shares[f.counts])) for f in fixtures]

    def strangers(self, steps: int) -> list[tuple[str, str]]:
        """Return every recorded series of another SLO, as bad as can be."""
        names = {r.name for g in self.groups for r in g.rules if isinstance(r, Recording)}
        who = '{slo="another",service="another"}'
        return [(name + who, f"1000x{steps}") for name in sorted(names)]

    def case(self, name: str, phases: list[Phase], *, strangers: bool = False) -> Case:
        """Return a case without expectations."""
        series = self.series(phases)
        if strangers:
            series += self.strangers(sum(phase.steps for phase in phases))
        return Case(f"{self.objective.name}: {name}", self.step, series)

    def firing(self, tier: Tier) -> str:
        """Return an expression that counts a tier's firing alerts."""
        return (
            f'count(ALERTS{{alertname="{self.objective.alert}",alertstate="firing",'
            f'slo="{self.objective.name}",burn="{tier.name}"}})'
        )

    def own(self, name: str) -> str:
        """Return a selector of one of the SLO's series."""
        return f'{name}{{slo="{self.objective.name}"}}'

    @property
    def labels(self) -> str:
        """Return the labels of each of the SLO's series."""
        inside = ",".join(f'{k}="{v}"' for k, v in sorted(self.objective.labels.items()))
        return f"{{{inside}}}"

    def near(
        self, case: Case, at: timedelta, name: str, value: float, tolerance: float = TOLERANCE
    ) -> None:
        """Expect a series near a value; versions differ by one sample in a window."""
        off = f"abs({self.own(name)} - {number(value)})"
        case.expect(at, f"{off} < bool {number(abs(value) * tolerance)}", self.labels, 1)

    def alert(self, name: str, burn: str = "") -> Alert:
        """Return one of the SLO's alert rules."""
        rules = [r for g in self.groups for r in g.rules if isinstance(r, Alert) and r.name == name]
        return next(rule for rule in rules if rule.labels.get("burn", "") == burn)

    def steps(self, span: timedelta) -> int:
        """Return the steps in a span, rounded up."""
        return math.ceil(span / self.step)

    def fires_after(self, tier: Tier, burn: float) -> int:
        """Return the step at which a tier fires on a new service that burns steadily."""
        crossing = tier.factor * (tier.long_window / self.step) / burn
        # The first sample observes nothing yet, and a rate needs two.
        pending = math.floor(crossing + 1e-9) + 2
        return pending + self.steps(tier.hold)

    def expected_alert(self, name: str, burn: str, value: str) -> dict[str, Any]:
        """Return the labels and annotations of an alert, its number filled in."""
        rule = self.alert(name, burn)
        annotations = {
            key: text.replace('{{ $value | printf "%.1f" }}', value).replace(
                "{{ $value | humanizePercentage }}", value
            )
            for key, text in rule.annotations.items()
        }
        return {"exp_labels": rule.labels, "exp_annotations": annotations}


def steady(cases: SLOCases, tiers: Iterable[Tier]) -> Case:
    """Return the case of a new service that burns at one rate: each tier at its theory's step."""
    last = max(cases.fires_after(tier, cases.burn) for tier in tiers)
    case = cases.case(
        f"a new service that burns {number(cases.burn)} times too fast raises each alert"
        " when the arithmetic says so, not before",
        [cases.traffic(last + MARGIN, cases.burn)],
        strangers=True,
    )
    for tier in tiers:
        at = cases.fires_after(tier, cases.burn)
        case.expect_nothing((at - 1) * cases.step, cases.firing(tier))
        case.expect(at * cases.step, cases.firing(tier), "{}", 1)
    end = last * cases.step
    fired = []
    for tier in cases.tiers:
        if cases.fires_after(tier, cases.burn) <= last:
            burn = cases.burn * min(1.0, (end - cases.step) / tier.long_window)
            value = f"{burn:.1f}"
            fired.append(cases.expected_alert(cases.objective.alert, tier.name, value))
    case.expect_alerts(end, cases.objective.alert, fired)
    for window in cases.windows:
        seen = (end - cases.step) / window if window in cases.long_windows else 1.0
        suffix, burn = cases.profile.suffix(window), cases.burn * min(1.0, seen)
        cases.near(case, end, ERROR_RATIO + suffix, cases.burn * cases.budget)
        cases.near(case, end, BURN_RATE + suffix, burn)
        if window in cases.long_windows:
            cases.near(case, end, COVERAGE + suffix, min(1.0, seen))
    return case


def short_windows(cases: SLOCases, tiers: Iterable[Tier]) -> Case:
    """Return the case that the short window decides: just below its factor, then just above."""
    tiers = list(tiers)
    start = max(cases.fires_after(tier, cases.burn) for tier in cases.tiers) + MARGIN
    phases = [cases.traffic(start, cases.burn)]
    checks: list[tuple[Tier, int, bool]] = []
    now = start
    for tier in tiers:
        window = cases.steps(tier.short_window) + MARGIN
        checks.append((tier, now, True))
        phases.append(cases.traffic(window, 0.93 * tier.factor))
        now += window
        checks.append((tier, now, False))
        window += cases.steps(tier.hold)
        phases.append(cases.traffic(window, 1.07 * tier.factor))
        now += window
        checks.append((tier, now, True))
    names = " and ".join(tier.name for tier in tiers)
    case = cases.case(f"the short window ends the {names} alerts, and lets them fire again", phases)
    for tier, step, fires in checks:
        if fires:
            case.expect(step * cases.step, cases.firing(tier), "{}", 1)
        else:
            case.expect_nothing(step * cases.step, cases.firing(tier))
    return case


def few_bad_events(cases: SLOCases, tier: Tier, *, enough: bool) -> Case:
    """Return the case of a quiet service where all events are bad, but hardly any happen."""
    least = cases.objective.min_bad_events
    idle = cases.steps(tier.long_window * tier.factor * cases.budget * 1.3) + 12
    gap = cases.steps(tier.short_window / 2)
    trickle = math.ceil(tier.hold / (tier.short_window / 2))
    burst = math.ceil(least * 1.02) if enough else math.floor(least * 0.9) - trickle
    phases = [Phase(idle), Phase(2, burst / 2, burst / 2)]
    for _ in range(trickle):
        phases += [Phase(gap - 1), Phase(1, 1, 1)]
    words = f"{burst + trickle} bad events in {show(tier.long_window)}, none good,"
    tail = Phase(cases.steps(tier.hold + cases.profile.base_window) + MARGIN)
    name = f"{words} {'raise' if enough else 'do not raise'} {tier.name}"
    case = cases.case(name, [*phases, tail])
    at = idle + 2 + max(cases.steps(tier.hold), trickle * gap)
    if tier.long_window > cases.profile.raw_up_to:
        # An average knows of an event only when the base window does.
        at += cases.steps(cases.profile.base_window)
    if enough:
        case.expect(at * cases.step, cases.firing(tier), "{}", 1)
    else:
        case.expect_nothing(at * cases.step, cases.firing(tier))
        # The last of the trickle counts only now, and has to hold as long as the alert asks.
        end = sum(phase.steps for phase in [*phases, tail]) - 1
        case.expect_nothing(end * cases.step, cases.firing(tier))
    return case


def early_burst(cases: SLOCases) -> Case:
    """Return the case of a new service whose first minute failed."""
    fastest = min(tier.factor * tier.long_window for tier in cases.tiers) * cases.budget
    burst = min(4, math.floor(fastest / cases.step)) or 1
    share = min(1.0, round(0.9 * (fastest / cases.step) / burst, 2))
    phases = [Phase(burst, EVENTS, EVENTS * share), cases.traffic(63 - burst, 0)]
    words = f"{share:.0%} bad in the first {show(burst * cases.step)} of a new service"
    case = cases.case(f"{words}, then none, raises nothing", phases)
    for tier in cases.tiers:
        ever = cases.firing(tier)[len("count(") : -1]
        window = show(63 * cases.step)
        case.expect_nothing(63 * cases.step, f"count(count_over_time({ever}[{window}]))")
    return case


def idle(cases: SLOCases) -> Case:
    """Return the case without traffic: counts are 0, ratios are absent, nothing fires."""
    case = cases.case("without traffic there is no ratio, and nothing fires", [Phase(20)])
    base = cases.profile.suffix(cases.profile.base_window)
    own, labels = f'{{slo="{cases.objective.name}"}}', cases.labels
    end = 20 * cases.step
    case.expect(end, f"{TOTAL}{base}{own}", f"{TOTAL}{base}{labels}", 0)
    case.expect(end, f"{BAD}{base}{own}", f"{BAD}{base}{labels}", 0)
    for window in cases.windows:
        suffix = cases.profile.suffix(window)
        case.expect_nothing(end, f"{ERROR_RATIO}{suffix}{own}")
        case.expect_nothing(end, f"{BURN_RATE}{suffix}{own}")
    case.expect_alerts(end, cases.objective.alert, [])
    case.expect_alerts(end, SLO_DATA_MISSING, [])
    return case


def never_there(cases: SLOCases) -> Case:
    """Return the case of an SLO none of whose series exist."""
    case = Case(
        f"{cases.objective.name}: series that never come are reported, once, after the hold",
        cases.step,
        [('up{job="prometheus",instance="p"}', f"1x{cases.steps(cases.profile.missing_hold) + 1}")],
    )
    at = cases.steps(cases.profile.missing_hold)
    case.expect_alerts((at - 1) * cases.step, SLO_DATA_MISSING, [])
    case.expect_alerts(at * cases.step, SLO_DATA_MISSING, [_data_missing(cases)])
    return case


def _data_missing(cases: SLOCases) -> dict[str, Any]:
    return cases.expected_alert(SLO_DATA_MISSING, "", "")


def goes_and_returns(cases: SLOCases) -> Case:
    """Return the case of a service that vanishes and comes back."""
    base = cases.steps(cases.profile.base_window)
    hold = cases.steps(cases.profile.missing_hold)
    away = base + hold + MARGIN
    phases = [cases.traffic(20, 0), Phase(away, gone=True), cases.traffic(10, 0)]
    case = cases.case("a service that vanishes is reported, until it is back", phases)
    case.expect_alerts(20 * cases.step, SLO_DATA_MISSING, [])
    # The last samples leave the window first: one step earlier where ranges are left-open.
    gone = 20 + base + hold
    case.expect_alerts((gone - 4) * cases.step, SLO_DATA_MISSING, [])
    case.expect_alerts((gone + 1) * cases.step, SLO_DATA_MISSING, [_data_missing(cases)])
    case.expect_alerts((20 + away + 4) * cases.step, SLO_DATA_MISSING, [])
    return case


def bad_side_gone(cases: SLOCases) -> Case:
    """Return the case in which only the series of good, or of bad, events vanish."""
    hold = cases.steps(cases.profile.missing_hold)
    end = cases.steps(cases.profile.base_window) + hold + 24
    phases = [cases.traffic(20, 0), Phase(end - 20, gone=True)]
    lost = "bad" if cases.objective.zero_without_errors else "good"
    kept = cases.series([cases.traffic(end, 0)])
    gone = cases.series(phases)
    fixtures = cases.objective.test_series
    series = [gone[i] if f.counts == lost else kept[i] for i, f in enumerate(fixtures)]
    what = "error series that vanish count as no errors"
    if lost == "good":
        what = "a bucket that vanishes is reported, not taken for all is well"
    case = Case(f"{cases.objective.name}: {what}", cases.step, series)
    expected = [] if lost == "bad" else [_data_missing(cases)]
    case.expect_alerts(end * cases.step, SLO_DATA_MISSING, expected)
    if lost == "bad":
        base = cases.profile.suffix(cases.profile.base_window)
        for suffix in sorted({base, *(_raw_suffixes(cases))}):
            name = f"{BAD}{suffix}"
            own = f'{name}{{slo="{cases.objective.name}"}}'
            case.series = [s for s in case.series if not _is_bad(cases, s[0])]
            case.expect(end * cases.step, own, f"{name}{cases.labels}", 0)
    return case


def _is_bad(cases: SLOCases, name: str) -> bool:
    return any(f.series == name and f.counts == "bad" for f in cases.objective.test_series)


def _raw_suffixes(cases: SLOCases) -> set[str]:
    profile = cases.profile
    windows = {w for tier in cases.tiers for w in (tier.long_window, tier.short_window)}
    return {profile.suffix(w) for w in windows if w <= profile.raw_up_to}


def restart(cases: SLOCases) -> Case:
    """Return the case of processes that restart: counters begin again, nothing else happens."""
    phases = [cases.traffic(20, 0), Phase(20, EVENTS, 0, restart=True)]
    case = cases.case("a restart changes nothing", phases)
    base = cases.profile.suffix(cases.profile.base_window)
    expected = EVENTS / cases.step.total_seconds()
    for step in (20, 40):
        cases.near(case, step * cases.step, TOTAL + base, expected)
        case.expect_alerts(step * cases.step, cases.objective.alert, [])
    return case


def heartbeat(cases: SLOCases, *, counted: bool) -> Case:
    """Return the case of pauses between evaluations: up to the gap they count as observed."""
    pause = show(cases.step)
    words = f"a pause of {pause} counts as observed" if counted else f"a pause of {pause} does not"
    case = cases.case(f"{words}", [cases.traffic(6, 0)], strangers=True)
    seconds = cases.step.total_seconds() if counted else 0
    for name in (OBSERVED, SPARSE_OBSERVED):
        case.expect(cases.step * 1, cases.own(name), name + cases.labels, 0)
        case.expect(cases.step * 5, cases.own(name), name + cases.labels, seconds)
    return case


def exhausted(cases: SLOCases) -> Case:
    """Return the case of a budget that is overspent, stays so, and is not any more."""
    period = cases.profile.suffix(cases.profile.period)
    hold = cases.steps(cases.profile.exhausted_hold)
    series = f"{BURN_RATE}{period}{cases.labels}"
    values = gauge([(1.0, 10), (1.04, hold + 3), (0.96, 10)])
    case = Case(
        f"{cases.objective.name}: a spent budget is reported after the hold, until it recovers",
        cases.step,
        [(series, values)],
    )
    at = 10 + hold
    name = SLO_BUDGET_EXHAUSTED
    case.expect_alerts(9 * cases.step, name, [])
    case.expect_alerts((at - 1) * cases.step, name, [])
    case.expect_alerts(at * cases.step, name, [cases.expected_alert(name, "", "-4%")])
    case.expect_alerts((at + 4) * cases.step, name, [])
    return case
