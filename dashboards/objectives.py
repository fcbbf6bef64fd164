"""The numbers that are promises, from the SLO file and the alerts; nothing is typed here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from alerts.layout import every_group
from alerts.promrules.durations import show
from alerts.promrules.model import Alert
from alerts.slo.spec import Objective, load_objectives
from alerts.slo.windows import load_profile

BOUND = re.compile(r'le="([\d.]+)"')


@dataclass(frozen=True)
class Speed:
    """One tier of the burn alerts.

    Args:
        name: fast, high, slow or creep.
        long_window: As in the names of the recorded series.
        short_window: Likewise.
        factor: Burn rate from which it speaks.
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
    """Return by SLO the share of events that must be good, 0-1."""
    return {one.name: one.objective / 100 for one in load_objectives()}


def bound_seconds(slo: str) -> float:
    """Return the seconds within which an SLO's good events end."""
    found = BOUND.search(objective(slo).error_query)
    if found is None:
        raise ValueError(f"{slo} is no SLO about time: its error query has no bucket")
    return float(found[1])


def speeds() -> list[Speed]:
    """Return the tiers of the burn alerts, the fastest first."""
    return [
        Speed(t.name, show(t.long_window), show(t.short_window), t.factor, t.severity)
        for t in load_profile("production").tiers
    ]


@cache
def alerts_by_dashboard() -> dict[str, list[str]]:
    """Return by dashboard uid the names of the alerts that lead there."""
    found: dict[str, set[str]] = {}
    for rule in (rule for group in every_group() for rule in group.rules):
        url = rule.annotations.get("dashboard_url", "") if isinstance(rule, Alert) else ""
        if "/d/" in url:
            uid = url.split("/d/", 1)[1].split("?", 1)[0]
            found.setdefault(uid, set()).add(rule.name)
    return {uid: sorted(names) for uid, names in sorted(found.items())}
