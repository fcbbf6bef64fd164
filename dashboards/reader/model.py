"""A dashboard of any schema version as the current classic schema has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.reader.panels import current_panel
from dashboards.reader.rows import panels_of_rows
from dashboards.reader.shapes import Json, mapping, objects, text, texts, whole
from dashboards.reader.sources import Sources

HIDDEN_VARIABLE = 2


def current_model(data: Mapping[str, Any], name: str) -> Json:
    """Return a dashboard in which every key that is read later has its type.

    Rows are panels with positions, panels of plugins that Grafana retired are their successors,
    and each panel, query, variable and annotation has a `datasource` with `type` and `uid`. A
    panel's `notes` name what the migration could not keep.

    Args:
        data: The dashboard's JSON, of any version.
        name: Stands for a missing uid or title.
    """
    sources = Sources(data)
    elements = mapping(data.get("__elements"))
    panels = [*objects(data.get("panels")), *panels_of_rows(objects(data.get("rows")))]
    listed = objects(mapping(data.get("templating")).get("list"))
    annotations = objects(mapping(data.get("annotations")).get("list"))
    time = mapping(data.get("time")) or mapping(mapping(data.get("services")).get("filter"))
    return {
        **data,
        "uid": text(data.get("uid")) or name,
        "title": text(data.get("title")) or name,
        "description": text(data.get("description")),
        "tags": texts(data.get("tags")),
        "links": [
            {**one, "url": text(one.get("url")), "title": text(one.get("title")),
             "tags": texts(one.get("tags"))}
            for one in objects(data.get("links"))
        ],
        "time": {key: _moment(value) for key, value in time.items() if _moment(value)},
        "refresh": data.get("refresh") if isinstance(data.get("refresh"), str) else "",
        "graphTooltip": whole(data.get("graphTooltip"), int(data.get("sharedCrosshair") is True)),
        "templating": {"list": [_variable(one, sources) for one in listed if one.get("name")]},
        "annotations": {"list": [_annotation(one, sources) for one in annotations]},
        "panels": [
            current_panel(one, sources, elements, at) for at, one in enumerate(panels)
        ],
    }  # fmt: skip


def _moment(value: object) -> str:
    """Return a bound of a time range as a text."""
    return value if isinstance(value, str) else text(value)


def _variable(variable: Json, sources: Sources) -> Json:
    """Return a variable; old forms are `hideLabel`, `hideVariable` and the type `filter`."""
    hide = whole(variable.get("hide"), 0)
    if variable.get("hideVariable") is True:
        hide = HIDDEN_VARIABLE
    elif variable.get("hideLabel") is True:
        hide = 1
    kind = text(variable.get("type")) or "query"
    current = mapping(variable.get("current"))
    source = variable.get("datasource")
    return {
        **variable,
        "name": text(variable.get("name")),
        "type": "query" if kind == "filter" else kind,
        "hide": hide,
        "regex": text(variable.get("regex")),
        "query": _query(variable.get("query")),
        "current": current,
        "datasource": sources.reference(source),
    }


def _query(query: object) -> object:
    return mapping(query) if isinstance(query, Mapping) else text(query)


def _annotation(annotation: Json, sources: Sources) -> Json:
    target = mapping(annotation.get("target"))
    return {
        **annotation,
        "name": text(annotation.get("name")),
        "expr": text(target.get("expr")) or text(annotation.get("expr")),
        "iconColor": text(annotation.get("iconColor")),
        "titleFormat": text(annotation.get("titleFormat")),
        "target": target,
        "datasource": sources.reference(annotation.get("datasource")),
    }
