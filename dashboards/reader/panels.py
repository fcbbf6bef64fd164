"""One panel of any age as the current schema has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dashboards.reader.fields import current_fields
from dashboards.reader.graph import from_graph
from dashboards.reader.oldtable import from_old_table
from dashboards.reader.shapes import Json, mapping, number, objects, text, whole
from dashboards.reader.singlestat import from_singlestat
from dashboards.reader.sources import Sources

GRID = 24
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Migration = Callable[[Json], Json]


def current_panel(
    panel: Json, sources: Sources, elements: Mapping[str, Any], at: int, *, inside: bool = False
) -> Json:
    """Return a panel; each key that is read later has its type.

    Args:
        panel: The panel's JSON.
        sources: The dashboard's data sources.
        elements: The library panels in an export, by uid.
        at: Its place in the list, for the position of a panel without one.
        inside: Whether it is in a row, and thus contains no panels itself.
    """
    panel, notes = _with_library(panel, elements)
    migrate = _migration(panel)
    if migrate:
        panel = {**migrate(panel), "migratedFrom": text(panel.get("type"))}
    fields = current_fields(panel)
    inner = [] if inside else objects(panel.get("panels"))
    return {
        **panel,
        **fields,
        "type": text(panel.get("type")),
        "title": text(panel.get("title")),
        "description": text(panel.get("description")),
        "gridPos": _position(panel.get("gridPos"), at),
        "repeat": text(panel.get("repeat")),
        "maxPerRow": _per_row(panel),
        "datasource": sources.reference(panel.get("datasource")),
        "targets": _targets(panel, sources),
        "transformations": [
            {**one, "id": text(one.get("id")), "options": mapping(one.get("options"))}
            for one in objects(panel.get("transformations"))
        ],
        "links": [
            {**one, "url": text(one.get("url")), "title": text(one.get("title"))}
            for one in objects(panel.get("links"))
        ],
        "maxDataPoints": _positive(panel.get("maxDataPoints")),
        "interval": text(panel.get("interval")),
        "timeFrom": text(panel.get("timeFrom")),
        "timeShift": text(panel.get("timeShift")),
        "notes": [*notes, *(one for one in panel.get("notes", []) if isinstance(one, str))],
        "panels": [
            current_panel(one, sources, elements, place, inside=True)
            for place, one in enumerate(inner)
        ],
    }


def _with_library(panel: Json, elements: Mapping[str, Any]) -> tuple[Json, list[str]]:
    """Return a panel with the model of its library panel, and a note if that is missing."""
    # Set by this module only.
    panel = {key: value for key, value in panel.items() if key not in ("notes", "library")}
    library = mapping(panel.get("libraryPanel"))
    if not library:
        return panel, []
    element = mapping(elements.get(text(library.get("uid"))))
    model = mapping(library.get("model")) or mapping(element.get("model"))
    if model:
        kept = {key: value for key, value in panel.items() if key != "libraryPanel"}
        return {**kept, **{k: v for k, v in model.items() if k != "gridPos"}}, []
    name = text(library.get("name")) or text(library.get("uid"))
    titled = {**panel, "title": text(panel.get("title")) or name, "library": name}
    return titled, [f"the library panel {name}, which is not in the file"]


def _migration(panel: Json) -> Migration | None:
    """Return the migration of a retired type of panel."""
    kind = panel.get("type")
    if kind in ("graph", "flot"):
        return from_graph
    if kind in ("singlestat", "grafana-singlestat-panel"):
        return from_singlestat
    if kind == "table-old" or (kind == "table" and "styles" in panel):
        return from_old_table
    if kind == "text" and "content" in panel:
        return _from_old_text
    if kind == "heatmap" and ("dataFormat" in panel or "heatmap" in panel):
        return _from_old_heatmap
    return None


def _from_old_text(panel: Json) -> Json:
    options = {"content": panel.get("content"), "mode": panel.get("mode") or "markdown"}
    return {**panel, "options": {**options, **mapping(panel.get("options"))}}


def _from_old_heatmap(panel: Json) -> Json:
    """Return a heatmap; the old one counted values into buckets unless it was given buckets."""
    axis = mapping(panel.get("yAxis"))
    counted = panel.get("dataFormat") != "tsbuckets"
    options = {
        "calculate": counted,
        "color": {"scheme": text(mapping(panel.get("color")).get("colorScheme"))
                  .removeprefix("interpolate"), "exponent": 0.5},
        "yAxis": {"unit": text(axis.get("format")) or "short", "decimals": axis.get("decimals"),
                  "reverse": panel.get("reverseYBuckets") is True},
    }  # fmt: skip
    return {**panel, "options": options, "fieldConfig": {}}


def _position(value: object, at: int) -> dict[str, int]:
    """Return a position on the grid; panels without one stand below each other."""
    found = mapping(value)
    width = min(GRID, max(1, whole(found.get("w"), GRID // 2)))
    height = min(200, max(1, whole(found.get("h"), 8)))
    column = min(GRID - width, max(0, whole(found.get("x"), 0)))
    line = min(100_000, max(0, whole(found.get("y"), 0 if found else 100_000 // 2 + 8 * at)))
    return {"x": column, "y": line, "w": width, "h": height}


def _per_row(panel: Json) -> int:
    narrowest = number(panel.get("minSpan"))
    default = int(GRID / max(1, narrowest)) if narrowest and "gridPos" in panel else 4
    return max(1, whole(panel.get("maxPerRow"), default))


def _positive(value: object) -> int | None:
    found = number(value)
    return int(found) if found and found >= 1 else None


def _targets(panel: Json, sources: Sources) -> list[Json]:
    """Return the queries, each with its letter and its data source."""
    found = objects(panel.get("targets"))
    taken = {text(one.get("refId")) for one in found}
    free = (letter for letter in (*LETTERS, *map(str, range(1000))) if letter not in taken)
    return [
        {
            **one,
            "refId": text(one.get("refId")) or next(free),
            "datasource": sources.of_query(one, panel.get("datasource")),
            **{key: text(one[key]) for key in ("expr", "legendFormat", "interval") if key in one},
            **({"intervalFactor": number(one["intervalFactor"]) or 1}
               if "intervalFactor" in one else {}),
        }
        for one in found
    ]  # fmt: skip
