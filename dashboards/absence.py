"""The table in README.md: what each panel shows when its source is gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dashboards.grafana.colours import BAD, GREY, WARN
from dashboards.grafana.dashboard import Dashboard

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- absence: written by python -m dashboards -->", "<!-- end -->"
COLOURS = {WARN: "amber", BAD: "red", GREY: "grey"}


def readme(dashboards: Sequence[Dashboard]) -> str:
    """Return README.md with a fresh table.

    Raises:
        ValueError: README.md lacks the marks between which the table stands.
    """
    before, begin, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README}: expected the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{_panels(dashboards)}{END}{after}"


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
    text = f"“{defaults.get('noValue', 'No data')}”"
    special = [m["options"] for m in defaults.get("mappings") or [] if m["type"] == "special"]
    if special:
        return f"{text}, {COLOURS[special[0]['result']['color']]}"
    if panel["type"] in ("timeseries", "heatmap"):
        return f"the line ends; {text} if the whole time range is without"
    return f"no rows, {text}"
