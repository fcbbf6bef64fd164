"""Traffic over time, in promtool's notation for series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.promrules.durations import number
from alerts.slo.shape import DECOY
from alerts.slo.spec import FixtureSeries

# More than 1.1 steps of the busiest traffic: nearer to its zero, a new counter is extrapolated
# differently by Prometheus 2 and 3.
BASE = 10_000
# Steps are multiples of 1/1024, which floats add exactly; a sum that is off in its last bit would
# look like a counter reset.
EXACT = 1024


@dataclass(frozen=True)
class Phase:
    """Steps with the same traffic.

    Args:
        steps: Samples.
        total: Events per step.
        bad: Bad ones among them.
        gone: The series are absent; the first step has the stale marker.
        restart: Counters restart from 0.
    """

    steps: int
    total: float = 0.0
    bad: float = 0.0
    gone: bool = False
    restart: bool = False

    def count(self, role: str) -> float:
        """Return the events per step that a role counts; a decoy counts other events."""
        counts = {"total": self.total, "bad": self.bad, "good": self.total - self.bad}
        return counts.get(role, 500.0)


def counter(phases: Sequence[Phase], role: str, share: int) -> str:
    """Return a counter's values.

    Args:
        phases: One after the other; the first sample stands before the first step.
        role: good, bad, total or decoy.
        share: The number of series among which the role's events are divided.
    """
    value = float(BASE)
    parts = [number(value)]
    for phase in phases:
        if phase.gone:
            parts.append("stale" + (f" _x{phase.steps - 1}" if phase.steps > 1 else ""))
            continue
        step = round(phase.count(role) / share * EXACT) / EXACT
        first = step if phase.restart else value + step
        more = phase.steps - 1
        parts.append(f"{number(first)}+{number(step)}x{more}" if more else number(first))
        value = first + step * more
    return " ".join(parts)


def counters(
    fixtures: Sequence[FixtureSeries], phases: Sequence[Phase], *, decoys: bool = False
) -> list[tuple[str, str]]:
    """Return an SLO's input series for a course of traffic, with or without decoys."""
    used = [fixture for fixture in fixtures if decoys or fixture.counts != DECOY]
    shares = Counter(fixture.counts for fixture in used)
    return [(f.series, counter(phases, f.counts, shares[f.counts])) for f in used]


def gauge(levels: Sequence[tuple[float, int]]) -> str:
    """Return a gauge's values from (value, samples) pairs."""
    return " ".join(f"{number(value)}x{samples - 1}" for value, samples in levels)
