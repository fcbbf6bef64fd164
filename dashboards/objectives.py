"""Objectives, burn rate tiers and alert names, read from `alerts`; no figure is repeated here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from alerts.layout import every_group
from alerts.promrules.durations import show
from alerts.promrules.model import Alert
from alerts.slo.spec import Objective, load_objectives
from alerts.slo.windows import PROFILES, load_profile

BOUND = re.compile(r'le="([\d.]+)"')
DASHBOARD = re.compile(r"/d/([\w-]+)")


@dataclass(frozen=True)
class Tier:
    """One tier of the burn rate alerts.

    Args:
        name: fast, high, slow or creep.
        long_window: As in the names of the recorded series.
        short_window: Likewise.
        factor: Burn rate above which the alert fires.
        severity: page or ticket.
    """

    name: str
    long_window: str
    short_window: str
    factor: float
    severity: str


@cache
def objective(slo: str) -> Objective:
    """Return an SLO by its name."""
    return {one.name: one for one in load_objectives()}[slo]


def good_ratios() -> dict[str, float]:
    """Return the share of events that must be good, 0-1, by SLO."""
    return {one.name: one.objective / 100 for one in load_objectives()}


def bound_seconds(slo: str) -> float:
    """Return the longest duration of a good event of an SLO, seconds.

    Raises:
        ValueError: The SLO's error query reads no histogram bucket.
    """
    found = BOUND.search(objective(slo).error_query)
    if found is None:
        raise ValueError(f"{slo} is not a latency SLO: its error query has no `le` label")
    return float(found[1])


def tiers() -> list[Tier]:
    """Return the tiers of the burn rate alerts, the fastest first."""
    return [
        Tier(t.name, show(t.long_window), show(t.short_window), t.factor, t.severity)
        for t in load_profile("production").tiers
    ]


def period_seconds() -> dict[str, int]:
    """Return the length of the error budget's period, by profile."""
    return {name: int(load_profile(name).period.total_seconds()) for name in PROFILES}


@cache
def alerts_by_dashboard() -> dict[str, list[str]]:
    """Return the names of the alerts that link to a dashboard, by its uid."""
    found: dict[str, set[str]] = {}
    for rule in (rule for group in every_group() for rule in group.rules):
        url = rule.annotations.get("dashboard_url", "") if isinstance(rule, Alert) else ""
        if address := DASHBOARD.search(url):
            found.setdefault(address[1], set()).add(rule.name)
    return {uid: sorted(names) for uid, names in sorted(found.items())}
