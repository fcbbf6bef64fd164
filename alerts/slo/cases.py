"""Tests of an SLO's alerts: what fires, at which step, and what stays silent.

The expectations come from arithmetic on the traffic, never from the rules. Durations are the
profile's, so the demo profile keeps the same promises, twelve times faster.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta

from alerts.promrules.durations import number, show
from alerts.promrules.test_file import Case
from alerts.slo.alerting_rules import SLO_BUDGET_EXHAUSTED, SLO_DATA_MISSING
from alerts.slo.expected import ExpectedAlerts
from alerts.slo.notation import Phase, counters, gauge
from alerts.slo.recording_rules import (
    BAD,
    BURN_RATE,
    COVERAGE,
    ERROR_BUDGET,
    ERROR_RATIO,
    OBSERVED,
    REMAINING,
    SPARSE_OBSERVED,
    TOTAL,
)
from alerts.slo.shape import DECOY
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile, Tier

EVENTS = 1200.0
STEP = timedelta(minutes=1)
LONG_STEP = timedelta(minutes=4)
FASTEST = 50.0
MARGIN = 3
TOLERANCE = 0.05
NOISE = 0.02


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
        # Nearly as fast as the budget allows, so that every tier fires soon.
        self.burn = min(FASTEST, 0.9 / self.budget)
        # Equality with a factor at a sample would be decided by the noise of floats.
        while any(abs(c - round(c)) < NOISE for c in map(self.crossing, self.tiers)):
            self.burn = round(self.burn * 0.98, 4)
        self.expected = ExpectedAlerts(objective, profile)
        self.long_windows = {tier.long_window for tier in self.tiers}
        short_windows = {tier.short_window for tier in self.tiers}
        self.windows = sorted(self.long_windows | short_windows | {profile.base_window})

    def traffic(self, steps: int, burn: float) -> Phase:
        """Return a phase that burns the budget this many times too fast."""
        return Phase(steps, EVENTS, EVENTS * burn * self.budget)

    def series(self, phases: list[Phase], *, decoys: bool = False) -> list[tuple[str, str]]:
        """Return the SLO's input series for a course of traffic."""
        return counters(self.objective.test_series, phases, decoys=decoys)

    @property
    def base(self) -> str:
        """Return the base window's part of a name."""
        return self.profile.suffix(self.profile.base_window)

    def read_by_alerts(self) -> list[str]:
        """Return the names of the recorded series that lead to the burn alerts."""
        suffixes = [self.profile.suffix(window) for window in self.windows]
        names = [name + s for name in (TOTAL, BAD, ERROR_RATIO, BURN_RATE) for s in suffixes]
        seen = [COVERAGE + self.profile.suffix(w) for w in sorted(self.long_windows)]
        return [ERROR_BUDGET, OBSERVED, *names, *seen]

    def case(self, name: str, phases: list[Phase], another: Iterable[str] = ()) -> Case:
        """Return a case without expectations.

        Args:
            name: What it shows.
            phases: The traffic.
            another: Recorded names that another SLO has too, with values that would fire.
        """
        steps = sum(phase.steps for phase in phases)
        case = Case(f"{self.objective.name}: {name}", self.step, self.series(phases))
        case.series += another_slo(another, f"1000x{steps}")
        return case

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

    def prometheus(self, steps: int) -> tuple[str, str]:
        """Return the input series of a Prometheus that scrapes something all the time."""
        return 'up{job="prometheus",instance="p"}', f"1x{steps}"

    @property
    def grace(self) -> int:
        """Return the steps of the first minute, in which nothing counts as missing."""
        return self.steps(timedelta(minutes=1))

    def steps(self, span: timedelta) -> int:
        """Return the steps in a span, rounded up."""
        return math.ceil(span / self.step)

    def crossing(self, tier: Tier) -> float:
        """Return after how many steps a new service that burns steadily exceeds a tier's factor."""
        return tier.factor * (tier.long_window / self.step) / self.burn

    def seen(self, tier: Tier, step: int) -> float:
        """Return a tier's burn rate on a new service that has burned steadily until a step."""
        return self.burn * min(1.0, (step - 1) * self.step / tier.long_window)

    def fires_after(self, tier: Tier) -> int:
        """Return the step at which a tier fires on a new service that burns steadily."""
        # The first sample observes nothing yet, and a rate needs two.
        pending = math.floor(self.crossing(tier)) + 2
        return pending + self.steps(tier.hold)


def _on_edge(burn: float) -> bool:
    """Return whether the noise of floats decides to which tenth a text rounds a burn rate."""
    return abs(burn * 10 % 1 - 0.5) < NOISE


def another_slo(names: Iterable[str], values: str) -> list[tuple[str, str]]:
    """Return input series of an SLO that no rule of the file is about."""
    return [(f'{name}{{slo="another",service="another"}}', values) for name in names]


def steady(cases: SLOCases, tiers: Iterable[Tier], *, another: bool) -> Case:
    """Return the case of a new service that burns steadily: each tier fires at the computed step.

    Args:
        cases: The SLO.
        tiers: The tiers whose step is asserted.
        another: Whether another SLO's recorded series are there too.
    """
    last = max(cases.fires_after(tier) for tier in tiers)
    while any(_on_edge(cases.seen(tier, last)) for tier in cases.tiers):
        last += 1
    case = cases.case(
        f"a new service that burns {number(cases.burn)}× too fast raises each alert"
        " at the computed step, not before",
        [cases.traffic(last + MARGIN, cases.burn)],
        cases.read_by_alerts() if another else (),
    )
    for tier in tiers:
        at = cases.fires_after(tier)
        case.expect_nothing((at - 1) * cases.step, cases.firing(tier))
        case.expect(at * cases.step, cases.firing(tier), "{}", 1)
    end = last * cases.step
    fired = [
        cases.expected.burn(tier, cases.seen(tier, last))
        for tier in cases.tiers
        if cases.fires_after(tier) <= last
    ]
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
    start = max(cases.fires_after(tier) for tier in cases.tiers) + MARGIN
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
    case = cases.case(f"the short window ends the {names} alerts and lets them fire again", phases)
    for tier, step, fires in checks:
        if fires:
            case.expect(step * cases.step, cases.firing(tier), "{}", 1)
        else:
            case.expect_nothing(step * cases.step, cases.firing(tier))
    return case


def few_bad_events(cases: SLOCases, tier: Tier, *, enough: bool) -> Case:
    """Return the case of a service with few events, all of them bad."""
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
        # A long window averages the base window, so it sees an event only after that does.
        at += cases.steps(cases.profile.base_window)
    if enough:
        case.expect(at * cases.step, cases.firing(tier), "{}", 1)
    else:
        case.expect_nothing(at * cases.step, cases.firing(tier))
        # Later still, when the last event is in every window and the alert's `for` has passed.
        end = sum(phase.steps for phase in [*phases, tail]) - 1
        case.expect_nothing(end * cases.step, cases.firing(tier))
    return case


def early_burst(cases: SLOCases) -> Case:
    """Return the case of a new service whose first minute failed."""
    fastest = min(tier.factor * tier.long_window for tier in cases.tiers) * cases.budget
    burst = min(4, math.floor(fastest / cases.step)) or 1
    # A rate is extrapolated by up to half a step.
    share = min(1.0, round(0.9 * (fastest / cases.step) / (burst + 0.5), 2))
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
    base = cases.base
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
    """Return the case of an SLO none of whose series exist, beside one that has them."""
    at = cases.grace + cases.steps(cases.profile.missing_hold)
    case = Case(
        f"{cases.objective.name}: series that never come are reported, once, a minute after the"
        " start and the hold",
        cases.step,
        [
            *another_slo((TOTAL + cases.base, BAD + cases.base), f"1000x{at + 1}"),
            cases.prometheus(at + 1),
        ],
    )
    pending = 'count(ALERTS{alertname="SLODataMissing"})'
    case.expect_nothing((cases.grace - 1) * cases.step, pending)
    case.expect_alerts((at - 1) * cases.step, SLO_DATA_MISSING, [])
    case.expect_alerts(at * cases.step, SLO_DATA_MISSING, [cases.expected.data_missing()])
    return case


def goes_and_returns(cases: SLOCases) -> Case:
    """Return the case of a service that vanishes and comes back."""
    base = cases.steps(cases.profile.base_window)
    hold = cases.steps(cases.profile.missing_hold)
    away = base + hold + MARGIN
    phases = [cases.traffic(20, 0), Phase(away, gone=True), cases.traffic(10, 0)]
    case = cases.case("a service that vanishes is reported, until it is back", phases)
    case.series.append(cases.prometheus(sum(phase.steps for phase in phases)))
    case.expect_alerts(20 * cases.step, SLO_DATA_MISSING, [])
    # The last samples leave the window first: one step earlier where ranges are left-open.
    gone = 20 + base + hold
    case.expect_alerts((gone - 4) * cases.step, SLO_DATA_MISSING, [])
    case.expect_alerts((gone + 1) * cases.step, SLO_DATA_MISSING, [cases.expected.data_missing()])
    case.expect_alerts((20 + away + 4) * cases.step, SLO_DATA_MISSING, [])
    return case


def bad_side_gone(cases: SLOCases) -> Case:
    """Return the case in which only the series of good, or of bad, events vanish."""
    hold = cases.steps(cases.profile.missing_hold)
    end = cases.steps(cases.profile.base_window) + hold + 24
    phases = [cases.traffic(20, 0), Phase(end - 20, gone=True)]
    zero = cases.objective.zero_without_errors
    counted = {fixture.counts for fixture in cases.objective.test_series}
    lost = "bad" if zero or "bad" in counted else "good"
    kept = cases.series([cases.traffic(end, 0)])
    gone = cases.series(phases)
    fixtures = [f for f in cases.objective.test_series if f.counts != DECOY]
    series = [gone[i] if f.counts == lost else kept[i] for i, f in enumerate(fixtures)]
    what = "error series that vanish count as no errors"
    if not zero:
        what = "a bucket that vanishes is reported, not read as success"
        what = what if lost == "good" else "error series that vanish are reported"
    series.append(cases.prometheus(end))
    case = Case(f"{cases.objective.name}: {what}", cases.step, series)
    expected = [] if zero else [cases.expected.data_missing()]
    case.expect_alerts(end * cases.step, SLO_DATA_MISSING, expected)
    if zero:
        case.series = [s for s in case.series if not _is_bad(cases, s[0])]
        suffixes = sorted({cases.base, *_raw_suffixes(cases)})
        case.series += another_slo((TOTAL + suffix for suffix in suffixes), f"1000x{end}")
        for name in (BAD + suffix for suffix in suffixes):
            case.expect(end * cases.step, cases.own(name), name + cases.labels, 0)
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
    base = cases.base
    expected = EVENTS / cases.step.total_seconds()
    for step in (20, 40):
        cases.near(case, step * cases.step, TOTAL + base, expected)
        case.expect_alerts(step * cases.step, cases.objective.alert, [])
    return case


def heartbeat(cases: SLOCases, *, counted: bool) -> Case:
    """Return the case of pauses between evaluations; up to the gap they count as observed."""
    verb = "counts" if counted else "does not count"
    name = f"a pause of {show(cases.step)} between evaluations {verb} as observed"
    another = (TOTAL + cases.base, OBSERVED, SPARSE_OBSERVED) if counted else ()
    case = cases.case(name, [cases.traffic(6, 0)], another)
    seconds = cases.step.total_seconds() if counted else 0
    for name in (OBSERVED, SPARSE_OBSERVED):
        case.expect(cases.step * 1, cases.own(name), name + cases.labels, 0)
        case.expect(cases.step * 5, cases.own(name), name + cases.labels, seconds)
    return case


def exhausted(cases: SLOCases) -> Case:
    """Return the case of a budget that is overspent, and recovers."""
    period = cases.profile.suffix(cases.profile.period)
    hold = cases.steps(cases.profile.exhausted_hold)
    series = f"{BURN_RATE}{period}{cases.labels}"
    values = gauge([(1.0, 10), (1.04, hold + 3), (0.96, 10)])
    case = Case(
        f"{cases.objective.name}: a spent budget is reported after the hold, until it recovers",
        cases.step,
        [(series, values), *another_slo((REMAINING,), f"-1x{hold + 22}")],
    )
    at = 10 + hold
    name = SLO_BUDGET_EXHAUSTED
    case.expect_alerts(9 * cases.step, name, [])
    case.expect_alerts((at - 1) * cases.step, name, [])
    case.expect_alerts(at * cases.step, name, [cases.expected.exhausted("-4%")])
    case.expect_alerts((at + 4) * cases.step, name, [])
    return case
