"""The table of what fires, which two dashboards show."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.grafana.panels import Panel
from dashboards.grafana.style import BAD, GREY, WARN, Column, Look, Query
from dashboards.grafana.tables import rows

SEVERITIES = {"page": ("page", BAD), "ticket": ("ticket", WARN), "none": ("none", GREY)}
TO_DASHBOARD = ("Look at it", "/d/${__value.raw}?${__url_time_range}")
COLUMNS = (
    Column("severity", "Severity", 80, words=SEVERITIES),
    Column("alertname", "Alert", 230),
    Column("about", "About"),
    Column("service", "Service", 120),
    Column("Value", "Since", 140, unit="dateTimeFromNow"),
    Column("dashboard", "Dashboard", 130, link=TO_DASHBOARD),
)


def alerts_table(size: tuple[int, int]) -> Panel:
    """Return the alerts that fire, the newest first."""
    return rows(
        "Alerts",
        "Watchdog always fires: it proves that alerting works. What to do about another stands "
        "in `alerts/runbooks/`, under its name.",
        Query(q.alerts_firing()),
        COLUMNS,
        Look("none"),
        size=size,
        sort="Since",
    )
