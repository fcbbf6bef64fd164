"""The fast page against an oracle that counts events exactly, under random traffic.

The oracle decides only where sampling cannot change the answer: 30 % over the factor, on the whole
window and on one that is a scrape shorter, or 30 % under it.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from alerts.slo.notation import Phase, counters
from alerts.slo.spec import load_objectives
from alerts.slo.windows import load_profile
from tools.detection.calculator import Question, ask
from tools.detection.measure import closure

STEP = timedelta(minutes=1)
STEPS = 100
PROFILE = load_profile("production")
OBJECTIVE = load_objectives()[0]
TIER = PROFILE.tiers[0]
LIMIT = TIER.factor * OBJECTIVE.budget
FIRING = 'count(ALERTS{alertname="OrdersAvailabilityBudgetBurn",alertstate="firing"})'
LOOKS = range(5, STEPS + 1, 5)


def traffic(seed: int) -> list[Phase]:
    """Steady, bursty, low, idle, restarting or broken traffic, in turns."""
    draw = random.Random(seed)
    phases: list[Phase] = []
    while sum(p.steps for p in phases) < STEPS:
        total = draw.choice([0, 1, 6, 60, 600, 6000])
        share = draw.choice([0, 0, 0.001, 0.005, 0.02, 0.05, 0.2, 1.0])
        phases.append(Phase(draw.randint(3, 40), total, total * share, restart=draw.random() < 0.2))
    return phases


def ask_all(promtool, courses: list[list[Phase]]) -> list[list[bool]]:
    asked = [(FIRING, look * STEP) for look in LOOKS]
    questions = [
        Question(STEP, counters(OBJECTIVE.test_series, phases), asked) for phases in courses
    ]
    answers = ask(promtool, closure(OBJECTIVE, PROFILE, TIER), questions, STEP)
    return [[bool(value) for value in row] for row in answers]


def minutes(phases: list[Phase]) -> list[tuple[float, float]]:
    return [(p.total, p.bad) for p in phases for _ in range(p.steps)]


def ratio(events: list[tuple[float, float]], end: int, window: int) -> float:
    part = events[max(0, end - window) : end]
    total = sum(t for t, _ in part)
    return sum(b for _, b in part) / total if total else 0.0


def verdict(events: list[tuple[float, float]], end: int) -> bool | None:
    """Whether the page must be there (True), must not (False), or either is right (None)."""

    def burns(at: int, factor: float, *, every: bool) -> bool:
        covered = min(1.0, max(0, at - 1) / 60)
        bad = sum(b for _, b in events[max(0, at - 60) : at])
        looks = [
            ratio(events, at, w) * (covered if w >= 59 else 1) > factor * LIMIT
            for w in (60, 59, 5, 4)
        ]
        enough = bad >= 10 * factor
        return enough and (
            all(looks) if every else (looks[0] or looks[1]) and (looks[2] or looks[3])
        )

    if all(burns(at, 1.3, every=True) for at in range(end - 2, end + 1)):
        return True
    if not any(burns(at, 0.7, every=False) for at in range(end - 2, end + 1)):
        return False
    return None


@pytest.mark.slow
def test_the_page_agrees_with_the_oracle_on_random_traffic(promtools):
    courses = [traffic(seed) for seed in range(60)]
    for tool in promtools:
        wrong, decided = [], 0
        for seed, answers in enumerate(ask_all(tool, courses)):
            events = minutes(courses[seed])
            for look, firing in zip(LOOKS, answers, strict=True):
                expected = verdict(events, look)
                decided += expected is not None
                if expected is not None and expected != firing:
                    wrong.append((tool.version, seed, look, expected))
        assert not wrong
        assert decided > 600


def test_the_oracle_decides_both_ways():
    verdicts = {verdict(minutes(traffic(seed)), look) for seed in range(60) for look in LOOKS}
    assert verdicts == {True, False, None}


@pytest.mark.parametrize("times", [2, 10])
def test_more_of_the_same_traffic_changes_nothing(newest, times):
    courses = [
        [Phase(p.steps, max(p.total, 600), max(p.total, 600) * 0.05) for p in traffic(s)]
        for s in range(5)
    ]
    more = [[Phase(p.steps, p.total * times, p.bad * times) for p in phases] for phases in courses]
    assert ask_all(newest, courses) == ask_all(newest, more)


def test_a_restart_changes_nothing(newest):
    courses = [[Phase(50, 600, 30), Phase(50, 600, 30)], [Phase(50, 600, 0), Phase(50, 600, 0)]]
    again = [
        [first, Phase(50, second.total, second.bad, restart=True)] for first, second in courses
    ]
    before, after = ask_all(newest, courses), ask_all(newest, again)
    assert before == after
    assert any(before[0])
    assert not any(before[1])


def test_good_traffic_never_raises_the_page(newest):
    assert not any(any(row) for row in ask_all(newest, [[Phase(20, 10), Phase(80, 60000)]]))
