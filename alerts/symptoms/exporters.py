"""Alerts on the exporters of database, cache and broker, which only the stack has."""

from __future__ import annotations

from alerts.catalogue import POSTGRES_REACHED, REDIS_REACHED
from alerts.promql import INSTANCE, JOB, series
from alerts.promrules.model import Alert, Group
from alerts.symptoms.alert import TICKET, minutes, threshold


def group() -> Group:
    """Return the exporters' rules."""
    return Group("exporters", (_cannot_reach_server(),))


def _cannot_reach_server() -> Alert:
    # The window bridges a failed scrape, which would start `for` again.
    reached = (
        f"max by ({JOB}, {INSTANCE}) (last_over_time({series(name)}[2m])) == 0"
        for name in (POSTGRES_REACHED, REDIS_REACHED)
    )
    return threshold(
        "ExporterCannotReachServer",
        "\nor ".join(reached),
        hold=minutes(1),
        severity=TICKET,
        service="exporters",
        summary="{{ $labels.job }}: cannot reach its server",
        description="{{ $labels.job }} is scraped but has failed to reach its server for a minute:"
        " the server is down, or the exporter's password or address is wrong. Dashboards show no"
        " details of the server.",
        dashboard="cache-database",
    )
