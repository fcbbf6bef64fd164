"""The panel `singlestat` as a stat panel, or as a gauge."""

from __future__ import annotations

from collections.abc import Iterator

from dashboards.reader.fields import colour_steps, current_mappings
from dashboards.reader.shapes import Json, mapping, number, objects, text, without_none

CALCS = {
    "avg": "mean", "current": "lastNotNull", "total": "sum", "first": "firstNotNull",
    "min": "min", "max": "max", "range": "range", "delta": "delta", "diff": "diff",
}  # fmt: skip
NULL_TEXTS = ("", "N/A", "null")


def from_singlestat(panel: Json) -> Json:
    """Return a stat or gauge panel, with notes on what only the old panel could do."""
    gauge = mapping(panel.get("gauge"))
    shown = gauge.get("show") is True
    spark = mapping(panel.get("sparkline"))
    coloured = panel.get("colorBackground") or panel.get("colorValue")
    steps = colour_steps(panel.get("thresholds"), panel.get("colors"))
    defaults = without_none(
        unit=text(panel.get("format")) or None,
        decimals=number(panel.get("decimals")),
        thresholds=steps if coloured or shown else None,
        color=None if coloured or shown else {"mode": "fixed", "fixedColor": "text"},
        mappings=_mappings(panel) or None,
        noValue=text(panel.get("nullText")) or None,
        min=number(gauge.get("minValue")) if shown else None,
        max=number(gauge.get("maxValue")) if shown else None,
    )
    by_name = panel.get("valueName") == "name"
    return {
        **panel,
        "type": "gauge" if shown else "stat",
        "thresholds": None,
        "gauge": None,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "reduceOptions": {"calcs": [CALCS.get(text(panel.get("valueName")), "lastNotNull")]},
            "colorMode": "background" if panel.get("colorBackground") else "value",
            "graphMode": "area" if spark.get("show") is True else "none",
            "textMode": "name" if by_name else "value",
        },
        "notes": list(_notes(panel)),
    }


def _mappings(panel: Json) -> list[Json]:
    """Return the mappings of values or of ranges, whichever the panel uses."""
    ranges = number(panel.get("mappingType")) == 2
    kept = [
        {**one, "type": 2 if ranges else 1}
        for one in objects(panel.get("rangeMaps" if ranges else "valueMaps"))
        # Every panel has this one, and it says what `nullText` says.
        if not (text(one.get("value")) == "null" or text(one.get("from")) == "null")
        or text(one.get("text")) not in NULL_TEXTS
    ]
    return current_mappings(kept)


def _notes(panel: Json) -> Iterator[str]:
    for key, name in (("prefix", "prefix"), ("postfix", "postfix")):
        if value := text(panel.get(key)).strip():
            yield f"the {name} “{value}”"
    if column := text(panel.get("tableColumn")):
        yield f"the choice of the column {column}"
    if panel.get("valueName") == "last_time":
        yield "the time of the last value"
