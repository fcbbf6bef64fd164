"""The field configuration: units, thresholds, value mappings and overrides, of any age."""

from __future__ import annotations

from dashboards.reader.shapes import Json, mapping, number, objects, text, texts, without_none

FIRST_COLOUR = "green"
# Old types of value mappings, as numbers.
VALUE_TO_TEXT, RANGE_TO_TEXT = 1, 2
# A setting that the successor of an old type of panel has not.
COLOURS = ("green", "#EAB839", "red")


def current_fields(panel: Json) -> Json:
    """Return the keys `options` and `fieldConfig` of a panel.

    Grafana 6 had the field configuration of stat, gauge and bar gauge in `options.fieldOptions`.
    """
    options = mapping(panel.get("options"))
    config = mapping(panel.get("fieldConfig"))
    old = mapping(options.pop("fieldOptions", None))
    if old:
        calcs = {key: old[key] for key in ("calcs", "values", "limit") if key in old}
        options = {"reduceOptions": calcs, **options}
        defaults = {**mapping(old.get("defaults")), **mapping(old.get("override"))}
        shared = without_none(mappings=old.get("mappings"), thresholds=old.get("thresholds"))
        config = {"defaults": {**shared, **defaults}, "overrides": old.get("overrides"), **config}
    if "reduceOptions" in options:
        options["reduceOptions"] = _reduction(mapping(options["reduceOptions"]))
    if isinstance(options.get("legend"), dict):
        legend = mapping(options["legend"])
        options["legend"] = {**legend, "calcs": texts(legend.get("calcs"))}
    overrides = objects(config.get("overrides"))
    return {
        "options": options,
        "fieldConfig": {
            "defaults": _defaults(mapping(config.get("defaults"))),
            "overrides": [_override(one) for one in overrides],
        },
    }


def _reduction(found: Json) -> Json:
    return {**found, "calcs": texts(found.get("calcs")) or ["lastNotNull"]}


def _defaults(found: Json) -> Json:
    out = {**found, "custom": mapping(found.get("custom"))}
    if "thresholds" in found:
        out["thresholds"] = _thresholds(found["thresholds"])
    if "mappings" in found:
        out["mappings"] = current_mappings(found["mappings"])
    for key in ("min", "max", "decimals"):
        if key in out:
            out[key] = number(out[key])
    for key in ("unit", "displayName", "noValue"):
        if key in out:
            out[key] = text(out[key])
    if "links" in found:
        out["links"] = _links(found["links"])
    if "color" in found:
        out["color"] = _colour(found["color"])
    return {key: value for key, value in out.items() if value is not None}


def _links(value: object) -> list[Json]:
    return [
        {**one, "url": text(one.get("url")), "title": text(one.get("title"))}
        for one in objects(value)
    ]


def _colour(value: object) -> Json | None:
    found = mapping(value)
    return {**found, "mode": text(found.get("mode")) or "thresholds"} if found else None


def _override(found: Json) -> Json:
    matcher = mapping(found.get("matcher"))
    properties = [_property(one) for one in objects(found.get("properties"))]
    return {"matcher": {**matcher, "id": text(matcher.get("id"))}, "properties": properties}


def _property(found: Json) -> Json:
    key, value = text(found.get("id")), found.get("value")
    checked = _defaults({key: value}).get(key) if "." not in key and key != "custom" else value
    return {"id": key, "value": checked}


def _thresholds(value: object) -> Json:
    """Return thresholds with their steps; Grafana 6 had a bare list of them."""
    found = mapping(value)
    steps = objects(found.get("steps")) if found else objects(value)
    return {
        "mode": text(found.get("mode")) or "absolute",
        "steps": [
            {
                **step,
                "color": text(step.get("color")) or FIRST_COLOUR,
                "value": None if at == 0 else number(step.get("value")),
            }
            for at, step in enumerate(steps)
            if at == 0 or number(step.get("value")) is not None
        ],
    }


def current_mappings(value: object) -> list[Json]:
    """Return value mappings; before Grafana 8 each had a number as its type."""
    return [one for one in map(_mapping, objects(value)) if one]


def _mapping(found: Json) -> Json | None:
    kind = found.get("type")
    if isinstance(kind, str) and isinstance(found.get("options"), dict):
        return found
    label = without_none(text=found.get("text"), color=found.get("color"))
    start, end = number(found.get("from")), number(found.get("to"))
    if kind == RANGE_TO_TEXT or (kind is None and start is not None):
        return {"type": "range", "options": {"from": start, "to": end, "result": label}}
    if text(found.get("value")) == "null":
        return {"type": "special", "options": {"match": "null", "result": label}}
    if "value" in found:
        return {"type": "value", "options": {text(found["value"]): label}}
    return None


def colour_steps(bounds: object, colours: object) -> Json | None:
    """Return the thresholds of `"80,90"` with a list of colours, lowest first."""
    parts = bounds.split(",") if isinstance(bounds, str) else bounds
    found = [number(one) for one in parts] if isinstance(parts, list) else []
    values = [one for one in found if one is not None]
    shades = texts(colours) or list(COLOURS)
    if not values:
        return None
    steps = [(None, shades[0]), *zip(values, shades[1:], strict=False)]
    return {"mode": "absolute", "steps": [{"value": v, "color": c} for v, c in steps]}
