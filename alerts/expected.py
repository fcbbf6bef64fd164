"""The links that a generated test expects, read from links.yaml by the test itself."""

from __future__ import annotations

from alerts.paths import HERE
from alerts.promrules.source import read


def expected_links(alert: str, dashboard: str) -> dict[str, str]:
    """Return the two links of an alert.

    Args:
        alert: Its name.
        dashboard: uid of the dashboard, with the query that sets its variables.
    """
    bases = read(HERE / "links.yaml").documents[0]
    return {
        "runbook_url": f"{bases['runbooks']}/{alert}.md",
        "dashboard_url": f"{bases['dashboards']}/{dashboard}",
    }
