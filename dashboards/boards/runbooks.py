"""Runbooks: a dashboard with one text for each alert, so that a runbook is a page in Grafana."""

from __future__ import annotations

import re
from collections.abc import Collection

from alerts.links import RUNBOOKS
from dashboards.grafana.dashboard import Dashboard, Row
from dashboards.grafana.panels import text

TAG = "runbook"
# An address on the default port, which the runbooks' files contain for readers of the files.
OWN_ADDRESS = re.compile(r"\]\(https?://(?:127\.0\.0\.1|localhost):\d+/d/")
CODE = re.compile(
    r"(^```.*?^```$|`[^`\n]+`|^#[^\n]*$|\[[^\]]*\]\([^)]*\))", re.DOTALL | re.MULTILINE
)
# What a line of text takes, in rows of 38 pixels: long lines wrap, headings have margins.
COLUMNS, LINE_ROWS, HEADING_ROWS = 150, 0.62, 1.3


def runbook_uid(alert: str) -> str:
    """Return the uid of the dashboard that shows an alert's runbook."""
    return f"runbook-{alert.lower()}"


def dashboards() -> list[Dashboard]:
    """Return the dashboard of each runbook in `alerts/runbooks`, by name."""
    pages = {p.stem: p.read_text() for p in sorted(RUNBOOKS.glob("*.md")) if p.stem != "README"}
    return [
        _dashboard(alert, _linked(page, pages.keys() - {alert})) for alert, page in pages.items()
    ]


def _dashboard(alert: str, markdown: str) -> Dashboard:
    return Dashboard(
        uid=runbook_uid(alert),
        title=f"Runbook: {alert}",
        description=f"What to do when {alert} fires.",
        rows=(Row("", (text(markdown, size=(24, _height(markdown))),)),),
        signals=(),
        tag=TAG,
    )


def _linked(markdown: str, others: Collection[str]) -> str:
    """Return a runbook whose links lead to dashboards here; names of other alerts are links too."""
    names = re.compile(rf"\b({'|'.join(sorted(others))})\b")

    def link(found: re.Match[str]) -> str:
        return f"[{found[1]}](/d/{runbook_uid(found[1])})"

    # Every second part is code, a heading or a link, where a name stays as it is.
    parts = CODE.split(OWN_ADDRESS.sub("](/d/", markdown))
    return "".join(one if place % 2 else names.sub(link, one) for place, one in enumerate(parts))


def _height(markdown: str) -> int:
    """Return the height of a text in rows of the grid."""
    lines = [line for line in markdown.splitlines() if line]
    headings = sum(line.startswith("#") for line in lines)
    wrapped = sum(1 + len(line) // COLUMNS for line in lines)
    return round(wrapped * LINE_ROWS + headings * HEADING_ROWS) + 3
