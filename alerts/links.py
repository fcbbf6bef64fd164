"""The links of an alert: its runbook and its dashboard."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import quote

from alerts.paths import HERE
from alerts.promrules.source import read

RUNBOOKS = HERE / "runbooks"

# A dashboard's uid is its file's stem in dashboards/json.
DASHBOARDS = ("home", "service", "worker", "cache-database", "slo", "telemetry", "order")
_BY_LABEL = re.compile(r"(\$externalLabels\.[A-Za-z_]\w*)(.*)", re.DOTALL)


@cache
def _bases() -> dict[str, str]:
    bases: dict[str, str] = read(HERE / "links.yaml").documents[0]
    return bases


def has_runbook(alert: str) -> bool:
    """Return whether an alert has a runbook; an alert without one links to none."""
    return (RUNBOOKS / f"{alert}.md").exists()


def runbook_url(alert: str) -> str:
    """Return the address of an alert's runbook, as Prometheus reads it."""
    base = _bases()["runbooks"]
    named = base.replace("{alert}", alert).replace("{lower}", alert.lower())
    return _template(named if named != base else f"{base}/{alert}.md")


def dashboard_url(uid: str, **variables: str) -> str:
    """Return the address of a dashboard with its variables set, as Prometheus reads it.

    A value such as `{{ $labels.queue }}` stays as it is: Prometheus fills it in.
    """
    if uid not in DASHBOARDS:
        raise ValueError(f"{uid!r} is not a dashboard; expected one of {', '.join(DASHBOARDS)}")
    query = "&".join(
        f"var-{name}={quote(value, safe='{}$. ')}" for name, value in variables.items()
    )
    return _template(f"{_bases()['dashboards']}/{uid}" + (f"?{query}" if query else ""))


def _template(address: str) -> str:
    """Return an address that is empty while the external label that it begins with is not set."""
    if found := _BY_LABEL.fullmatch(address):
        label, rest = found.groups()
        return f"{{{{ with {label} }}}}{{{{ . }}}}{rest}{{{{ end }}}}"
    return address
