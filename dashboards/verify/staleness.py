"""Find the panels that would show a value of a process that ended some minutes ago."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dashboards.reader.shapes import mapping, texts
from dashboards.reader.sources import PROMETHEUS
from dashboards.verify.durations import duration, in_words, span_of
from dashboards.verify.memory import Memory, memory_of
from dashboards.verify.reading import Dashboard, Panel, Target
from dashboards.verify.report import OLD, Finding
from dashboards.verify.substitution import Values, built_in, substitute
from dashboards.verify.variables import values_of

# Panels of one value per series; in the others the time of a value is on an axis.
OF_VALUES = {"stat", "gauge", "bargauge", "piechart", "table", "barchart"}
POINTS = 1000
RATE = re.compile(r"(?:i?rate|increase|i?delta|deriv|resets|changes|(?:sum|count)_over_time)\(")
LAST = {"lastNotNull", "last"}


@dataclass(frozen=True)
class Question:
    """What to ask of every panel.

    Args:
        dead: How long ago the process ended.
        lookback: How long Prometheus returns the last sample of a series that ended: none if it
            scraped the process, `--query.lookback-delta` if the process pushed its series.
        window: The time range of dashboards whose file has none.
        scrape: Prometheus' scrape interval.
    """

    dead: timedelta
    lookback: timedelta = timedelta(0)
    window: timedelta = timedelta(minutes=15)
    scrape: timedelta = timedelta(seconds=15)


class _SavedValues:
    """A source without values: variables keep those that the file has."""

    def label_values(self, kind: str, selector: str, label: str) -> Sequence[str]:  # noqa: ARG002
        return []

    def query_result(self, expr: str) -> Sequence[str]:  # noqa: ARG002
        return []


def stale_panels(dashboard: Dashboard, chosen: Mapping[str, str], ask: Question) -> list[Finding]:
    """Return a finding per panel that would show an old value, with what to change.

    Decides from the file alone: the type of each query, how the panel reduces its samples, the
    time range, and how far the query itself looks back.
    """
    saved = {
        str(one["name"]): value
        for one in dashboard.variables
        if one["type"] == "query" and isinstance(value := one["current"].get("value"), str)
    }
    span = span_of(dashboard.start) or ask.window
    known = built_in(span, span / POINTS, ask.scrape)
    fixed = {name: value for name, value in {**saved, **chosen}.items() if value != "$__all"}
    values = values_of(dashboard.variables, fixed, _SavedValues(), known)
    found = []
    for panel in dashboard.panels:
        reasons = list(_reasons(panel, values, span, ask))
        if reasons:
            finding = Finding(dashboard.uid, panel.title, OLD, reason="; ".join(reasons))
            finding.only_in_docker = panel.only_in_docker
            found.append(finding)
    return found


def _reasons(panel: Panel, values: Values, span: timedelta, ask: Question) -> Iterator[str]:
    own = duration(panel.model["timeFrom"]) if panel.model else None
    span = own or span
    least = duration(panel.model["interval"]) if panel.model else None
    step = max(least or ask.scrape, span / (panel.points or POINTS))
    known = {**values, **built_in(span, step, ask.scrape)}
    for target in panel.targets:
        if target.kind != PROMETHEUS or not target.expr:
            continue
        memory = memory_of(substitute(target.expr, known), span, ask.lookback)
        if memory is not None and memory.own:
            yield from _of_target(panel, target, memory, ask.dead)


def _of_target(panel: Panel, target: Target, memory: Memory, dead: timedelta) -> Iterator[str]:
    seconds = dead.total_seconds()
    name = f"query {target.letter}"
    if panel.type in OF_VALUES and target.ranged and memory.ranged > seconds:
        shown = _reduction(panel, target)
        yield (
            f"{name} is a range query, and the panel shows {shown} for"
            f" {in_words(memory.ranged)} after its end: make it an instant query"
        )
    elif panel.type not in OF_VALUES and RATE.match(memory.window):
        # On a graph a rate falls over its window, and the time of each value is on the axis.
        return
    elif memory.instant > seconds and memory.window:
        yield (
            f"{name} reads {memory.window}, so its value stays for {in_words(memory.instant)}:"
            f" look back at most {in_words(seconds)}, or join it with `up == 1`"
        )
    elif memory.instant > seconds:
        yield f"{name} returns the last sample for {in_words(memory.instant)} (the lookback)"
    elif panel.type not in OF_VALUES and target.ranged and memory.ranged > seconds:
        yield from _legend(panel, name)


def _reduction(panel: Panel, target: Target) -> str:
    """Return what the panel shows of the samples of a series."""
    if panel.type == "table":
        return "its samples" if target.table else "its last samples"
    options = mapping(mapping(panel.model.get("options")).get("reduceOptions"))
    if options.get("values"):
        return "all its samples"
    return f"the {(texts(options.get('calcs')) or ['lastNotNull'])[0]} of its samples"


def _legend(panel: Panel, name: str) -> Iterator[str]:
    legend = mapping(mapping(panel.model.get("options")).get("legend"))
    calcs = LAST & set(texts(legend.get("calcs")))
    if calcs and legend.get("showLegend", True) and legend.get("displayMode") != "hidden":
        yield f"{name}: the legend shows {min(calcs)} of a line that has ended; remove that column"
