"""The tables in README.md: what each panel and each alert does when its source is gone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from alerts.layout import every_group
from alerts.promrules.model import Alert
from dashboards.grafana.colours import BAD, GREY, WARN
from dashboards.grafana.dashboard import Dashboard

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- absence: written by python -m dashboards -->", "<!-- end -->"
COLOURS = {WARN: "amber", BAD: "red", GREY: "grey"}
# An alert that reads whether a target or a series exists.
PRESENCE = re.compile(r"\babsent(_over_time)?\(|\bup\b|\bvector\(1\)")


def readme(dashboards: Sequence[Dashboard]) -> str:
    """Return README.md with fresh tables.

    Raises:
        ValueError: README.md lacks the marks between which the tables stand.
    """
    before, begin, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README}: expected the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{_panels(dashboards)}\n{_alerts()}{END}{after}"


def _panels(dashboards: Sequence[Dashboard]) -> str:
    rows = ["| dashboard | panels | without their source |", "| --- | --- | --- |"]
    for one in dashboards:
        found: dict[str, list[str]] = {}
        for panel in json.loads(one.as_json())["panels"]:
            if panel["type"] not in ("row", "text"):
                found.setdefault(_answer(panel), []).append(panel["title"])
        rows += [f"| {one.title} | {', '.join(ts)} | {how} |" for how, ts in sorted(found.items())]
    return "\n".join(rows) + "\n"


def _answer(panel: dict[str, object]) -> str:
    defaults = json.loads(json.dumps(panel["fieldConfig"]))["defaults"]
    text = f"“{defaults['noValue']}”"
    special = [m["options"] for m in defaults.get("mappings") or [] if m["type"] == "special"]
    if special:
        return f"{text}, {COLOURS[special[0]['result']['color']]}"
    if panel["type"] in ("timeseries", "heatmap"):
        return f"the line ends; {text} if the whole time range is without"
    return f"no rows, {text}"


def _alerts() -> str:
    alerts = {
        rule.name: rule.expr
        for group in every_group()
        for rule in group.rules
        if isinstance(rule, Alert)
    }
    present = sorted(name for name, expr in alerts.items() if PRESENCE.search(expr))
    silent = sorted(alerts.keys() - set(present))
    return (
        "| alerts | without their source |\n| --- | --- |\n"
        f"| {', '.join(present)} | read whether series exist: they are about the loss |\n"
        f"| {', '.join(silent)} | fire while one process can still tell; after that TargetDown, "
        "TargetMissing or SLODataMissing fires |\n"
    )
