"""Alerts on the processes themselves: memory that grows and is not given back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from alerts.promql import series
from alerts.promrules.durations import show
from alerts.promrules.model import Alert, Group
from alerts.symptoms.alert import TICKET, threshold
from observability.instrumentation.semconv import PROCESS_MEMORY_USAGE

MIB = 1024 * 1024
# The second step must add at least this share of what the first one added.
STEADY = 0.5


@dataclass(frozen=True)
class Pace:
    """How fast memory must grow to count as a leak: twice in a row, each time by the limit.

    Args:
        name: The label `pace`.
        window: Each level is the lowest value in this, so a jump counts in one step only.
        step: Between a level and the one before it.
        share: A step must add this share of the first level,
        least_mib: and at least this many MiB.
        hold: `for`.
    """

    name: str
    window: timedelta
    step: timedelta
    share: float
    least_mib: int
    hold: timedelta


PACES = (
    Pace("minutes", timedelta(minutes=1), timedelta(minutes=2), 0.05, 24, timedelta(minutes=1)),
    Pace("hours", timedelta(minutes=15), timedelta(hours=2), 0.1, 64, timedelta(minutes=15)),
)


def group() -> Group:
    """Return the rules on processes."""
    return Group("processes", tuple(_growing(pace) for pace in PACES))


def _growing(pace: Pace) -> Alert:
    now, before, first = (_level(pace, steps) for steps in (0, 1, 2))
    # A process that warms up grows once, and then less and less; a leak goes on as it began.
    least = f"clamp_min({pace.share} * {first}, {pace.least_mib * MIB})"
    span = show(2 * pace.step)
    return threshold(
        "ProcessMemoryGrowing",
        f"{now} - {before} > {least}\nand {before} - {first} > {least}\n"
        f"and {now} - {before} > {STEADY} * ({before} - {first})",
        hold=pace.hold,
        severity=TICKET,
        service="processes",
        labels={"pace": pace.name},
        summary=f"{{{{ $labels.job }}}}: memory grows without a pause ({span})",
        description="{{ $labels.instance }} of {{ $labels.job }} uses {{ $value | humanize1024 }}B"
        f" more than {show(pace.step)} ago, and grew as much in the {show(pace.step)} before"
        f" (threshold {pace.share:.0%} and {pace.least_mib} MiB each). It will be killed when its"
        " memory limit is reached.",
        dashboard="home",
    )


def _level(pace: Pace, steps: int) -> str:
    offset = f" offset {show(steps * pace.step)}" if steps else ""
    return f"min_over_time({series(PROCESS_MEMORY_USAGE)}[{show(pace.window)}]{offset})"
