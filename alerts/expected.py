"""The links that a generated test expects, read from links.yaml by the test itself."""

from __future__ import annotations

import re

from alerts.paths import HERE
from alerts.promrules.source import read

# The value of each external label that links.yaml names, in every test.
ADDRESS = "http://127.0.0.1:3000"


def external_labels() -> dict[str, str]:
    """Return the external labels with which the tests run."""
    text = "".join(_bases().values())
    return dict.fromkeys(re.findall(r"\$externalLabels\.(\w+)", text), ADDRESS)


def expected_links(alert: str, dashboard: str) -> dict[str, str]:
    """Return the links of an alert; only one that has a runbook links to it.

    Args:
        alert: Its name.
        dashboard: uid of the dashboard, with the query that sets its variables.
    """
    bases = {
        name: re.sub(r"\$externalLabels\.\w+", ADDRESS, base) for name, base in _bases().items()
    }
    runbook = bases["runbooks"]
    if "{" not in runbook:
        runbook += "/{alert}.md"
    links = {}
    if (HERE / "runbooks" / f"{alert}.md").is_file():
        links["runbook_url"] = runbook.format(alert=alert, lower=alert.lower())
    return links | {"dashboard_url": f"{bases['dashboards']}/{dashboard}"}


def _bases() -> dict[str, str]:
    bases: dict[str, str] = read(HERE / "links.yaml").documents[0]
    return bases
