"""Incidents: what fired in a time range, when and for how long, and the error budget it cost."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.boards.alerts_table import SEVERITIES
from dashboards.boards.links import TO_BUDGET
from dashboards.boards.slo import SLO_COLOURS
from dashboards.grafana.dashboard import Dashboard, Row
from dashboards.grafana.panels import bar_gauge, text, timeseries
from dashboards.grafana.style import Column, Query, Style
from dashboards.grafana.tables import table

ABOUT = (
    Column("severity", "Severity", 80, texts=SEVERITIES),
    Column("alertname", "Alert", 230),
    Column("about", "About"),
    Column("service", "Service", 120),
)
NOTE = (
    "Choose the time range of the incident. How to work through one, and what to ask afterwards: "
    "`docs/on-call.md`."
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="incidents",
        title="Incidents",
        description="What fired in the time range, when, for how long, and the error budget that "
        "it cost. For the review after an incident.",
        rows=(_cost(), _alerts()),
    )


def _cost() -> Row:
    return Row(
        "Cost",
        (
            bar_gauge("Error budget spent in this range", "Share of the whole period's error "
                      "budget. Above 100 % this range alone misses the objective. No data: the "
                      "SLO had no traffic, or Prometheus evaluated no rules.",
                      Query(q.slo_budget_spent(), "{{slo}}"),
                      Style("percentunit", (0.1, 1.0), maximum=1, decimals=1), size=(8, 9),
                      links=TO_BUDGET),
            timeseries("Error budget remaining", "A cliff is an incident; a slope is a constant "
                       "error rate.", (Query(q.slo_budget_remaining(), "{{slo}}"),),
                       Style("percentunit", maximum=1, colours=SLO_COLOURS), size=(16, 9),
                       links=TO_BUDGET),
        ),
    )  # fmt: skip


def _alerts() -> Row:
    return Row(
        "Alerts",
        (
            timeseries("Alerts firing", "Alerts by name. Good: only Watchdog, which always fires; "
                       "where its line has a gap, no alert could fire.",
                       (Query(q.alerts_over_time(), "{{alertname}}"),), Style("none"),
                       size=(24, 7), stacked=True, legend_right=True),
            table("Started", "When each alert of this range first held, the newest first. It fires "
                  "after the wait in its rule.",
                  Query(q.alerts_began()), (*ABOUT, Column("Value", "Since", 170,
                  unit="dateTimeAsIso")), Style("none"), size=(12, 10), sort="Since"),
            table("Duration", "How long each alert fired in this range, in steps of 15 s, the "
                  "longest first.",
                  Query(q.alerts_duration()), (*ABOUT, Column("Value", "Firing", 110, unit="s")),
                  Style("none"), size=(12, 10), sort="Firing"),
            text(NOTE, size=(24, 2)),
        ),
    )  # fmt: skip
