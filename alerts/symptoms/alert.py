"""The form of an alert that is not an SLO's: a threshold with its texts and links."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from alerts.links import dashboard_url, runbook_url
from alerts.promrules.model import Alert

PAGE = "page"
TICKET = "ticket"
NONE = "none"
SEVERITIES = (PAGE, TICKET, NONE)
TEAM = "orders"


def threshold(
    name: str,
    expr: str,
    *,
    hold: timedelta,
    severity: str,
    service: str,
    summary: str,
    description: str,
    dashboard: str,
    variables: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    team: str = TEAM,
) -> Alert:
    """Return an alert with every label and annotation that each of ours carries.

    Args:
        name: CamelCase, component first, symptom last.
        expr: PromQL.
        hold: Its `for`.
        severity: page, ticket or none.
        service: The service in trouble; inhibition depends on it.
        summary: One line: the object, then what is wrong with it.
        description: The value, the threshold and the consequence.
        dashboard: uid of the dashboard to look at.
        variables: The dashboard's variables.
        labels: More labels, always static: a value in a label would restart `for`.
        team: The team that answers; empty for none.
    """
    owner = {"team": team} if team else {}
    return Alert(
        name,
        expr,
        hold,
        {"severity": severity, **owner, "service": service, **(labels or {})},
        {
            "summary": summary,
            "description": description,
            "runbook_url": runbook_url(name),
            "dashboard_url": dashboard_url(dashboard, **(variables or {})),
        },
    )


# An alert of the stack, which serves many teams.
stack_threshold = partial(threshold, team="")


def minutes(count: float) -> timedelta:
    """Return a duration in minutes."""
    return timedelta(minutes=count)
