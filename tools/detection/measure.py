"""Detection times: how long an outage lasts before its alert fires, in theory and measured.

`python -m tools.detection` writes docs/measurements/detection.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from alerts.promrules.model import Alert
from alerts.promrules.promtool import Promtool
from alerts.slo.alerting_rules import slo_groups
from alerts.slo.burn_rate import detection, reset
from alerts.slo.notation import Phase, counters
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile, Tier
from tools.detection.calculator import Question, ask

EVENTS = 6000.0
RATIOS = (1.0, 0.5, 0.1, 0.05, 0.02)
FAST_STEP = timedelta(seconds=30)
SLOW_STEP = timedelta(minutes=1)
# The longest past that is worth simulating, and the delay that averaging the base window adds.
LONGEST_PAST = timedelta(hours=6)
AVERAGE_LAG = timedelta(minutes=3)
NEW, OLD = "new", "old"


@dataclass(frozen=True)
class Row:
    """One outage.

    Args:
        tier: Which alert.
        service: `new`, observed from the outage on, or `old`, healthy for a whole long window.
        error_ratio: Proportion of requests that failed, steadily.
        theory: The computed detection time.
        measured: The measured one.
        allowed: The longest that is promised.
    """

    tier: str
    service: str
    error_ratio: float
    theory: timedelta
    measured: timedelta | None
    allowed: timedelta


def rows(objective: Objective, profile: Profile, promtool: Promtool) -> list[Row]:
    """Return every outage that a tier can see."""
    return [
        row
        for tier in objective.tiers(profile)
        for service in (NEW, OLD)
        if service == NEW or tier.long_window <= LONGEST_PAST
        for row in _tier_rows(objective, profile, promtool, tier, service)
    ]


def _tier_rows(
    objective: Objective, profile: Profile, promtool: Promtool, tier: Tier, service: str
) -> Iterator[Row]:
    step = FAST_STEP if tier.long_window <= LONGEST_PAST else SLOW_STEP
    past = tier.long_window if service == OLD else timedelta(0)
    lag = step + (AVERAGE_LAG if tier.long_window > profile.raw_up_to else timedelta(0))
    # A new service is observed from its second sample on.
    lag += step if service == NEW else timedelta(0)
    for ratio in RATIOS:
        theory = detection(tier.factor, objective.budget, tier.long_window, tier.hold, ratio)
        if theory is None:
            continue
        asked = _first_firing(objective, tier, past, theory + lag + 4 * step, step)
        phases = [Phase(int(past / step), EVENTS)] if past else []
        phases.append(Phase(int((theory + lag) / step) + 5, EVENTS, EVENTS * ratio))
        question = Question(step, counters(objective.test_series, phases), [asked])
        ((at,),) = ask(promtool, closure(objective, profile, tier), [question], step)
        measured = None if at is None else timedelta(seconds=at) - past
        yield Row(tier.name, service, ratio, theory, measured, theory + lag)


def _first_firing(
    objective: Objective, tier: Tier, past: timedelta, after: timedelta, step: timedelta
) -> tuple[str, timedelta]:
    end = past + after
    window, every = int(after.total_seconds()), int(step.total_seconds())
    alert = f'ALERTS{{alertname="{objective.alert}",burn="{tier.name}",alertstate="firing"}}'
    return f"min(min_over_time(timestamp({alert})[{window}s:{every}s]))", end


def closure(objective: Objective, profile: Profile, tier: Tier) -> dict[str, Any]:
    """Return the rules that one tier needs, as a rule file."""
    main = slo_groups(objective, profile)[0]
    suffixes = {profile.suffix(w) for w in (tier.long_window, tier.short_window)}
    suffixes.add(profile.suffix(profile.base_window))
    kept = [
        rule.as_yaml()
        for rule in main.rules
        if (isinstance(rule, Alert) and rule.labels.get("burn") == tier.name)
        or rule.name.endswith((":seconds", "budget:ratio"))
        or any(rule.name.endswith(("rate" + s, "ratio" + s, "ratio_rate" + s)) for s in suffixes)
    ]
    return {"groups": [{"name": main.name, "rules": kept}]}


@dataclass(frozen=True)
class Reset:
    """The time from the last error to the end of the alert."""

    error_ratio: float
    theory: timedelta
    measured: timedelta | None


def resets(objective: Objective, profile: Profile, promtool: Promtool) -> list[Reset]:
    """Return how soon the fastest tier ends after an outage of half an hour."""
    tier = objective.tiers(profile)[0]
    outage, step = timedelta(minutes=30), FAST_STEP
    found = []
    for ratio in (ratio for ratio in RATIOS if ratio >= 0.05):
        phases = [Phase(int(outage / step), EVENTS, EVENTS * ratio), Phase(30, EVENTS)]
        alert = f'ALERTS{{alertname="{objective.alert}",burn="{tier.name}",alertstate="firing"}}'
        last = f"max(max_over_time(timestamp({alert})[15m:30s]))"
        question = Question(
            step, counters(objective.test_series, phases), [(last, outage + 28 * step)]
        )
        ((at,),) = ask(promtool, closure(objective, profile, tier), [question], step)
        measured = None if at is None else timedelta(seconds=at) + step - outage
        theory = reset(tier.factor, objective.budget, tier.short_window, ratio)
        found.append(Reset(ratio, theory, measured))
    return found
