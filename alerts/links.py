"""The links of an alert: its runbook and its dashboard."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote

from alerts.paths import HERE
from alerts.promrules.source import read

RUNBOOKS = HERE / "runbooks"

# A dashboard's uid is its file's stem in dashboards/json.
DASHBOARDS = ("home", "service", "worker", "cache-database", "slo", "telemetry", "order")


@cache
def _bases() -> dict[str, str]:
    bases: dict[str, str] = read(HERE / "links.yaml").documents[0]
    return bases


def runbook_url(alert: str) -> str:
    """Return the address of an alert's runbook."""
    return f"{_bases()['runbooks']}/{alert}.md"


def dashboard_url(uid: str, **variables: str) -> str:
    """Return the address of a dashboard with its variables set.

    A value such as `{{ $labels.queue }}` stays as it is: Prometheus fills it in.
    """
    if uid not in DASHBOARDS:
        raise ValueError(f"{uid!r} is not a dashboard; expected one of {', '.join(DASHBOARDS)}")
    query = "&".join(
        f"var-{name}={quote(value, safe='{}$. ')}" for name, value in variables.items()
    )
    return f"{_bases()['dashboards']}/{uid}" + (f"?{query}" if query else "")
