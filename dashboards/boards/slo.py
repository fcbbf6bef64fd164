"""SLO and error budget: current SLI, budget remaining, burn rates, firing alerts."""

from __future__ import annotations

from dataclasses import replace

from dashboards import queries as q
from dashboards.boards.alerts_table import alerts_table
from dashboards.grafana.colours import GOOD, PLAIN, PURPLE, SKY, WARN
from dashboards.grafana.dashboard import Dashboard, Row
from dashboards.grafana.panels import Panel, bar_gauge, stat, text, timeseries
from dashboards.grafana.style import Column, Query, Style
from dashboards.grafana.tables import table
from dashboards.objectives import Tier, good_ratios, tiers

COVERAGE = Style("percentunit", maximum=1, decimals=1)
BUDGET = Style("percentunit", (0.1, 0.5), high_is_bad=False, maximum=1, decimals=1)
SLO_COLOURS = {
    f"/^{slo}/": colour
    for slo, colour in zip(good_ratios(), (SKY, PURPLE, WARN, GOOD, PLAIN), strict=False)
}
TIERS = "\n".join(
    [
        "An alert fires when the budget burns this fast in both of its windows:",
        "",
        *(
            f"- **{one.name}**: {one.factor:g} times too fast over {one.long_window} and "
            f"{one.short_window}: a {one.severity}"
            for one in tiers()
        ),
        "",
        "In the demo profile every window lasts a twelfth of its name.",
        "Time to detection, in theory and measured: `docs/measurements/detection.md`.",
        "Runbooks: `alerts/runbooks/`.",
    ]
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="slo",
        title="SLO and error budget",
        description="Objectives, error budgets remaining, burn rates. "
        "Good: budget left, burn rates below 1.",
        rows=(_overview(), Row("Burn rate", [_burn_rate(tier) for tier in tiers()]), _alerts()),
    )


def _overview() -> Row:
    return Row(
        "Overview",
        (
            stat("Current SLI", "Share of good events in the shortest window. Good: green, at or "
                 "above the objective. A short dip costs budget but does not miss the objective.",
                 Query(q.now(q.slo_good_ratio(), q.SLOS), "{{slo}}"),
                 Style("percentunit", maximum=1, decimals=2, minimums=good_ratios(),
                       absent="no events"), size=(24, 4)),
            bar_gauge("Error budget remaining", "Of the whole period, as far as Prometheus has "
                      "data. At 0 % the objective is missed. No data: the service is gone, and "
                      "nothing is measured.",
                      Query(q.now(q.slo_budget_remaining(), q.SLOS), "{{slo}}"), BUDGET),
            bar_gauge("Period covered by data", "Share of the SLO's period for which Prometheus "
                      "has data; time without data counts as not burned.",
                      Query(q.now(q.slo_coverage(), q.SLOS), "{{slo}}"), COVERAGE),
            timeseries("Error budget remaining over time", "A cliff is an incident; a slope is a "
                       "constant error rate.", (Query(q.slo_budget_remaining(), "{{slo}}"),),
                       replace(BUDGET, decimals=None, colours=SLO_COLOURS)),
        ),
    )  # fmt: skip


def _burn_rate(tier: Tier) -> Panel:
    """Return the burn rates over the two windows of a tier."""
    thresholds = (min(1.0, tier.factor / 2), tier.factor)
    long_window, short_window = tier.long_window, tier.short_window
    queries = (
        Query(q.slo_burn(long_window), f"{{{{slo}}}} {long_window}"),
        Query(q.slo_burn(short_window), f"{{{{slo}}}} {short_window}"),
    )
    return timeseries(
        f"Burn rate, {tier.name} tier ({long_window} / {short_window})",
        f"At 1 the budget lasts exactly until the end of the period. A {tier.severity} fires when "
        f"both windows, {long_window} and {short_window} (dashed), are above {tier.factor:g}.",
        queries,
        Style("none", thresholds, decimals=2, colours=SLO_COLOURS, dashed=f"/ {short_window}$/"),
        size=(12, 8),
        legend_right=True,
    )


def _alerts() -> Row:
    columns = (Column("slo", "SLO"), Column("Value", "Objective", 110, unit="percentunit"))
    return Row(
        "Alerts",
        (
            alerts_table((16, 8)),
            table("Objectives", "Share of events that must be good.", Query(q.slo_objective()),
                  columns, Style("percentunit", decimals=1), size=(8, 8)),
            text(TIERS, size=(24, 6)),
        ),
    )  # fmt: skip
