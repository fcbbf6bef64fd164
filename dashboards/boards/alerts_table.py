"""The table of firing alerts, which two dashboards show."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.grafana.colours import BAD, GREY, WARN
from dashboards.grafana.panels import Panel
from dashboards.grafana.style import Column, Query, Style
from dashboards.grafana.tables import table

SEVERITIES = {"page": ("page", BAD), "ticket": ("ticket", WARN), "none": ("none", GREY)}
TO_DASHBOARD = ("Open the dashboard", "/d/${__value.raw}?${__url_time_range}")
COLUMNS = (
    Column("severity", "Severity", 80, texts=SEVERITIES),
    Column("alertname", "Alert", 230),
    Column("about", "About"),
    Column("service", "Service", 120),
    Column("Value", "Since", 140, unit="dateTimeFromNow"),
    Column("dashboard", "Dashboard", 130, link=TO_DASHBOARD),
)


def alerts_table(size: tuple[int, int]) -> Panel:
    """Return the table of firing alerts, the newest first."""
    return table(
        "Firing alerts",
        "Good: only Watchdog, which always fires to prove that alerting works. The runbook of "
        "every other alert is `alerts/runbooks/<alert>.md`.",
        Query(q.alerts_firing()),
        COLUMNS,
        Style("none"),
        size=size,
        sort="Since",
    )
