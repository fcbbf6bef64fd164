"""Tests of an SLO's recorded values, with traffic that gives each window a different value.

The long windows are fed with the series that they average, over weeks at the production scale, so
that a window of half or twice the length gives a clearly different value.
"""

from __future__ import annotations

from datetime import timedelta

from alerts.promrules.durations import show
from alerts.promrules.test_file import Case
from alerts.slo.cases import TOLERANCE, SLOCases, another_slo
from alerts.slo.notation import Phase, gauge
from alerts.slo.recording_rules import (
    BAD,
    BURN_RATE,
    COVERAGE,
    ERROR_BUDGET,
    ERROR_RATIO,
    OBJECTIVE,
    OBSERVED,
    REMAINING,
    SPARSE_BAD,
    SPARSE_OBSERVED,
    SPARSE_TOTAL,
    TOTAL,
)

# Newest last: steps of a minute, events and bad events in each.
COURSE = (
    Phase(80, 3000, 90),
    Phase(25, 300, 0),
    Phase(13, 2000, 500),
    Phase(4, 800, 160),
    Phase(3, 1000, 200),
)
# Oldest first: days at the production scale, events and bad events a second. An average over half
# or twice a window differs by more than the tolerance.
WEEKS = (
    (34.0, 25, 8),
    (4.5, 3, 0.4),
    (1.0, 6, 1),
    (0.375, 30, 4),
    (1 / 12, 20, 2),
    (1 / 24, 10, 1),
)
# Less than one event a second is traffic too.
MONTHS = ((10.0, 0.8, 0.16), (15.0, 0.4, 0.06), (15.0, 0.2, 0.02))
GRID = timedelta(minutes=7)
# An hour holds 8 or 9 samples of the grid.
GRID_TOLERANCE = 0.08
DAY = timedelta(days=1)
EVALUATION = timedelta(days=1)


def _average(levels: list[tuple[float, float]], window: float) -> float:
    """Return the average over the newest window of (length, value) levels, oldest first."""
    left, area = window, 0.0
    for length, value in reversed(levels):
        area += min(left, length) * value
        left -= min(left, length)
    return area / (window - left)


def raw_windows(cases: SLOCases) -> Case:
    """Return the case that pins each window read from counters, and what follows from it."""
    case = cases.case("counts, ratios and burn rates of the short windows", [])
    case.series = cases.series(list(COURSE), decoys=True)
    end = sum(phase.steps for phase in COURSE) * cases.step
    per_second = cases.step.total_seconds()
    totals = [(float(p.steps), p.total / per_second) for p in COURSE]
    bads = [(float(p.steps), p.bad / per_second) for p in COURSE]
    for window in (w for w in cases.windows if w <= cases.profile.raw_up_to):
        suffix, steps = cases.profile.suffix(window), window / cases.step
        total, bad = _average(totals, steps), _average(bads, steps)
        cases.near(case, end, TOTAL + suffix, total)
        cases.near(case, end, BAD + suffix, bad)
        cases.near(case, end, ERROR_RATIO + suffix, bad / total)
        cases.near(case, end, BURN_RATE + suffix, bad / total / cases.budget)
    case.expect(end, cases.own(ERROR_BUDGET), ERROR_BUDGET + cases.labels, cases.budget)
    about = f'profile="{cases.profile.name}",service="{cases.objective.service}"'
    period = show(cases.profile.period)
    labels = f'{{{about},slo="{cases.objective.name}",slo_period="{period}"}}'
    case.expect(
        end, cases.own(OBJECTIVE), OBJECTIVE + labels, round(cases.objective.objective / 100, 10)
    )
    base = cases.base
    for sparse, dense in ((SPARSE_TOTAL, TOTAL), (SPARSE_BAD, BAD)):
        same = f"{cases.own(sparse + base)} == {dense}{base}"
        value = _average(totals if dense == TOTAL else bads, cases.profile.base_window / cases.step)
        off = f"abs(({same}) - {value:.6f}) < bool {value * TOLERANCE:.6f}"
        case.expect(end, off, cases.labels, 1)
    return case


def _grid(levels: list[tuple[float, float]]) -> str:
    samples = [(v, round(days * DAY / GRID)) for days, v in levels]
    return gauge(samples)


def _input(cases: SLOCases, name: str, levels: list[tuple[float, float]]) -> tuple[str, str]:
    return name + cases.labels, _grid(levels)


def _days(cases: SLOCases, window: timedelta) -> float:
    return window * cases.profile.scale / DAY


def averaged_windows(cases: SLOCases, name: str, column: int) -> Case:
    """Return the case that pins each window averaged from the base window.

    Args:
        cases: The SLO.
        name: The series that is averaged, total or bad; the only input of the case.
        column: Its values in WEEKS.
    """
    base = cases.base
    levels = [(week[0], float(week[column])) for week in WEEKS]
    case = Case(
        f"{cases.objective.name}: {name.removesuffix(':rate')} over the long windows",
        GRID / cases.profile.scale,
        [_input(cases, name + base, levels)],
    )
    end = 40 * DAY / cases.profile.scale
    for window in (w for w in cases.windows if w > cases.profile.raw_up_to):
        average = _average(levels, _days(cases, window))
        cases.near(case, end, name + cases.profile.suffix(window), average, GRID_TOLERANCE)
    return case


def coverage(cases: SLOCases, seen: float) -> Case:
    """Return the case of a service that was observed for a part of the time."""
    # Seconds observed per sample; more than the grid's would be more than all of the time.
    per_sample = seen * (GRID / cases.profile.scale).total_seconds()
    words = "a quarter of" if seen < 1 else "more than"
    case = Case(
        f"{cases.objective.name}: coverage when {words} the time was observed",
        GRID / cases.profile.scale,
        [_input(cases, OBSERVED, [(40.0, per_sample)])],
    )
    end = 40 * DAY / cases.profile.scale
    for window in sorted(cases.long_windows):
        cases.near(
            case, end, COVERAGE + cases.profile.suffix(window), min(seen, 1.0), GRID_TOLERANCE
        )
    return case


def period(cases: SLOCases) -> Case:
    """Return the case that pins the budget of the period."""
    base, suffix = cases.base, cases.profile.suffix(cases.profile.period)
    totals = [(days, float(total)) for days, total, _ in MONTHS]
    bads = [(days, float(bad)) for days, _, bad in MONTHS]
    # A quarter of the older half was observed, three quarters of the newer one.
    per_sample = (GRID / cases.profile.scale).total_seconds()
    observed = [(25.0, 0.25 * per_sample), (15.0, 0.75 * per_sample)]
    case = Case(
        f"{cases.objective.name}: what is left of the period's budget",
        GRID / cases.profile.scale,
        [
            _input(cases, SPARSE_TOTAL + base, totals),
            _input(cases, SPARSE_BAD + base, bads),
            _input(cases, SPARSE_OBSERVED, observed),
        ],
    )
    names = [name + suffix for name in (TOTAL, BAD, ERROR_RATIO, COVERAGE, BURN_RATE)]
    names += [SPARSE_TOTAL + base, SPARSE_BAD + base, SPARSE_OBSERVED, ERROR_BUDGET]
    case.series += another_slo(names, _grid(totals))
    end = 40 * DAY / cases.profile.scale
    total, bad, seen = _average(totals, 30), _average(bads, 30), 0.5
    burn = bad / total / cases.budget * seen
    cases.near(case, end, TOTAL + suffix, total, GRID_TOLERANCE)
    cases.near(case, end, BAD + suffix, bad, GRID_TOLERANCE)
    cases.near(case, end, ERROR_RATIO + suffix, bad / total, GRID_TOLERANCE)
    cases.near(case, end, COVERAGE + suffix, seen, GRID_TOLERANCE)
    cases.near(case, end, BURN_RATE + suffix, burn, GRID_TOLERANCE)
    cases.near(case, end, REMAINING, 1 - burn, GRID_TOLERANCE)
    return case


def idle_period(cases: SLOCases) -> Case:
    """Return the case of a period without events: no ratio, so no budget either."""
    base, suffix = cases.base, cases.profile.suffix(cases.profile.period)
    nothing = [(40.0, 0.0)]
    case = Case(
        f"{cases.objective.name}: a period without events has no ratio",
        GRID / cases.profile.scale,
        [_input(cases, name + base, nothing) for name in (SPARSE_TOTAL, SPARSE_BAD)],
    )
    end = 40 * DAY / cases.profile.scale
    case.expect(end, cases.own(TOTAL + suffix), TOTAL + suffix + cases.labels, 0)
    case.expect_nothing(end, cases.own(ERROR_RATIO + suffix))
    return case


def period_coverage(cases: SLOCases) -> Case:
    """Return the case of more observed time than there is: the coverage stays at 1."""
    per_sample = 2 * (GRID / cases.profile.scale).total_seconds()
    case = Case(
        f"{cases.objective.name}: the period's coverage is never more than 1",
        GRID / cases.profile.scale,
        [_input(cases, SPARSE_OBSERVED, [(40.0, per_sample)])],
    )
    end = 40 * DAY / cases.profile.scale
    cases.near(
        case, end, COVERAGE + cases.profile.suffix(cases.profile.period), 1.0, GRID_TOLERANCE
    )
    return case
