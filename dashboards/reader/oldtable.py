"""The old table panel, `table-old`, as a table with overrides and transformations."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboards.reader.fields import colour_steps, current_mappings
from dashboards.reader.shapes import Json, number, objects, text, without_none

PATTERN = re.compile(r"^/(.*)/[gimsuy]*$")
TRANSFORMATIONS = {
    "timeseries_to_columns": "seriesToColumns",
    "timeseries_to_rows": "seriesToRows",
    "timeseries_aggregations": "reduce",
    "table": "merge",
}
CALCS = {"avg": "mean", "current": "lastNotNull", "total": "sum"}
CELLS = {"cell": "color-background", "row": "color-background", "value": "color-text"}


def from_old_table(panel: Json) -> Json:
    """Return a table, with notes on what only the old panel could do."""
    changed = text(panel.get("transform"))
    listed = objects(panel.get("targets"))
    columns = [text(one.get("value")) for one in objects(panel.get("columns"))]
    kind = TRANSFORMATIONS.get(changed)
    if kind == "merge" and len(listed) < 2:
        kind = None
    options = {"reducers": [CALCS.get(one, one) for one in columns]} if kind == "reduce" else {}
    return {
        **panel,
        "type": "table",
        "sort": None,
        "options": {"showHeader": panel.get("showHeader") is not False},
        "transformations": [{"id": kind, "options": options}] if kind else [],
        "fieldConfig": {
            "defaults": {},
            "overrides": [_override(one) for one in objects(panel.get("styles"))],
        },
        "notes": list(_notes(panel, changed)),
    }


def _override(style: Json) -> Json:
    pattern = text(style.get("pattern"))
    kind = "byRegexp" if PATTERN.match(pattern) else "byName"
    properties = without_none(**_texts(style), **_colours(style))
    return {
        "matcher": {"id": kind, "options": pattern},
        "properties": [{"id": key.replace("__", "."), "value": v} for key, v in properties.items()],
    }


def _texts(style: Json) -> Json:
    kind = text(style.get("type"))
    numeric = kind == "number"
    url = text(style.get("linkUrl")) if style.get("link") else ""
    link = {"url": _current_link(url), "title": text(style.get("linkTooltip"))}
    return {
        "displayName": text(style.get("alias")) or None,
        "unit": text(style.get("unit")) or None if numeric else None,
        "decimals": number(style.get("decimals")) if numeric else None,
        "custom__hidden": True if kind == "hidden" else None,
        "mappings": current_mappings(style.get("valueMaps")) or None,
        "links": [link] if url else None,
    }


def _current_link(url: str) -> str:
    """Return a link with the current names of a cell's values."""
    named = re.sub(r"\$\{?__cell\}?(?!_)", "${__value.raw}", url)
    return re.sub(r"\$\{?__cell_(\d+)\}?", r"${__data.fields[\1]}", named)


def _colours(style: Json) -> Json:
    cell = CELLS.get(text(style.get("colorMode")))
    return {
        "thresholds": colour_steps(style.get("thresholds"), style.get("colors")) if cell else None,
        "custom__cellOptions": {"type": cell} if cell else None,
    }


def _notes(panel: Json, changed: str) -> Iterator[str]:
    if changed in ("json", "annotations"):
        yield f"the transformation to {changed}"
    styles = objects(panel.get("styles"))
    if any(one.get("colorMode") == "row" for one in styles):
        yield "colours of whole rows (the cell is coloured)"
    if any(one.get("type") == "string" and one.get("preserveFormat") for one in styles):
        yield "preformatted texts"
