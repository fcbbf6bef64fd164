"""docs/measurements/detection.md: the tables of detection times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from alerts.promrules.durations import number, show
from alerts.promrules.promtool import Promtool
from alerts.slo.spec import Objective, load_objectives
from alerts.slo.windows import Profile, load_profile
from tools.detection.measure import Reset, Row, resets, rows

INTRO = """# How soon an alert fires

Written by `python -m tools.detection`; a test repeats the measurement and compares.
promtool evaluates the shipped production rules over synthetic traffic: steady errors on {name}
({objective} % over {period}), samples and evaluations every 30 s for `fast` and `high`, every
minute for the other two.

**Theory** is `long window * factor * error budget / error ratio + for`. **New** is a service that
Prometheus has seen only since the errors began; common burn-rate rules page for such a service
within a minute at 2 % of errors. **Old** is one that was healthy for a whole long window before. We
promise theory plus one evaluation (a new service is observed from its second sample on), plus
3 minutes if a window of 6 h or more is averaged from 5-minute rates.
"""
END = """
## How soon it ends

After an outage of half an hour, the `fast` alert ends when the short window does:
`short window * (1 - factor * budget / error ratio)`.

| errors | theory (min) | measured (min) |
| --- | --- | --- |
"""


def detection_page(promtool: Promtool) -> str:
    """Measure, and return the page."""
    profile = load_profile("production")
    objective = load_objectives()[0]
    measured = rows(objective, profile, promtool)
    return page(objective, profile, measured, resets(objective, profile, promtool))


def page(
    objective: Objective, profile: Profile, outages: Sequence[Row], ends: Sequence[Reset]
) -> str:
    """Return the page as Markdown."""
    intro = INTRO.format(
        name=objective.name, objective=number(objective.objective), period=show(profile.period)
    )
    ratios = sorted({row.error_ratio for row in outages}, reverse=True)
    table = []
    for tier in dict.fromkeys(row.tier for row in outages):
        services = list(dict.fromkeys(row.service for row in outages if row.tier == tier))
        table.append(f"\n## {tier}\n")
        columns = ["errors", "theory (min)", *(f"{s} service (min)" for s in services)]
        table += ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
        table += [_line(outages, tier, ratio, services) for ratio in ratios]
    last = [
        f"| {r.error_ratio:.0%} | {_minutes(r.theory)} | {_minutes(r.measured)} |" for r in ends
    ]
    return intro + "\n".join(table) + "\n" + END + "\n".join(last) + "\n"


def _line(rows: Sequence[Row], tier: str, ratio: float, services: Sequence[str]) -> str:
    here = {row.service: row for row in rows if (row.tier, row.error_ratio) == (tier, ratio)}
    if not here:
        return f"| {ratio:.0%} |" + " - |" * (1 + len(services))
    theory = next(iter(here.values())).theory
    cells = [_minutes(here[service].measured) for service in services]
    return f"| {ratio:.0%} | {_minutes(theory)} | " + " | ".join(cells) + " |"


def _minutes(span: timedelta | None) -> str:
    return "never" if span is None else f"{span / timedelta(minutes=1):.1f}"
