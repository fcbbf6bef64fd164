"""The panel `graph` as a time series panel. Source: Grafana 11's own migration, read there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboards.reader.shapes import Json, mapping, number, objects, text, without_none

PATTERN = re.compile(r"^/(.*)/[gimsuy]*$")
# Old names of a legend's columns, and the reductions that they are.
CALCS = {"min": "min", "max": "max", "avg": "mean", "current": "lastNotNull", "total": "sum"}
CRITICAL = {"critical": "red", "warning": "orange", "ok": "green"}
# Settings of one series that Grafana's migration ignores or that change only how it looks.
QUIET = {"alias", "$$hashKey", "legend", "hideTooltip", "zindex", "pointradius", "hiddenSeries"}


def from_graph(panel: Json) -> Json:
    """Return a time series panel, with notes on what only the old panel could do."""
    left, right = [*_axes(panel), {}, {}][:2]
    overrides = [*_colours(panel), *_series(panel, right)]
    legend = mapping(panel.get("legend"))
    defaults = {**mapping(mapping(panel.get("fieldConfig")).get("defaults")), **_axis(left)}
    defaults["custom"] = {**mapping(defaults.get("custom")), **_drawing(panel)}
    thresholds = _thresholds(panel)
    if thresholds:
        defaults["thresholds"] = thresholds
        defaults["custom"]["thresholdsStyle"] = {"mode": "line"}
    calcs = [calc for name, calc in CALCS.items() if legend.get(name) and legend.get("values")]
    return {
        **panel,
        "type": _type(panel),
        "thresholds": None,
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {
            "legend": {
                "showLegend": legend.get("show") is not False and bool(legend),
                "displayMode": "table" if legend.get("alignAsTable") else "list",
                "placement": "right" if legend.get("rightSide") else "bottom",
                "calcs": calcs,
                "hideZero": legend.get("hideZero") is True,
                "hideEmpty": legend.get("hideEmpty") is True,
            }
        },
        "notes": list(_notes(panel)),
    }


def _type(panel: Json) -> str:
    """Return the successor: a graph over series or over values is no time series."""
    mode = text(mapping(panel.get("xaxis")).get("mode"))
    return {"series": "barchart", "histogram": "histogram"}.get(mode, "timeseries")


def _axes(panel: Json) -> list[Json]:
    """Return both axes; the oldest panels had `y_formats` and `grid`."""
    if panel.get("yaxes"):
        return objects(panel["yaxes"])
    units, grid = panel.get("y_formats"), mapping(panel.get("grid"))
    units = [*units, None, None] if isinstance(units, list) else [None, None]
    return [
        {
            "format": units[at],
            "min": grid.get(f"{side}Min"),
            "max": grid.get(f"{side}Max"),
            "logBase": grid.get(f"{side}LogBase"),
        }
        for at, side in enumerate(("left", "right"))
    ]


def _axis(axis: Json) -> Json:
    base = number(axis.get("logBase")) or 1
    scale = {"type": "log", "log": base} if base > 1 else None
    hidden = "hidden" if axis.get("show") is False else None
    return without_none(
        unit=text(axis.get("format")) or None,
        min=number(axis.get("min")),
        max=number(axis.get("max")),
        decimals=number(axis.get("decimals")),
        custom=without_none(
            axisLabel=text(axis.get("label")) or None,
            scaleDistribution=scale,
            axisPlacement=hidden,
        ),
    )


def _drawing(panel: Json) -> Json:
    bars, lines = panel.get("bars") is True, panel.get("lines") is not False
    fill = number(panel.get("fill"))
    stacking = "percent" if panel.get("percentage") else "normal"
    axis = [*_axes(panel), {}][0]
    return without_none(
        **mapping(_axis(axis).get("custom")),
        drawStyle="bars" if bars else "line" if lines else "points",
        lineWidth=number(panel.get("linewidth")),
        fillOpacity=100 if bars else 10 * fill if fill is not None else None,
        lineStyle={"fill": "dash"} if panel.get("dashes") is True else None,
        spanNulls=panel.get("nullPointMode") == "connected",
        # Not a key of Grafana's: the console draws it.
        nullsAsZero=True if panel.get("nullPointMode") == "null as zero" else None,
        lineInterpolation="stepAfter" if panel.get("steppedLine") else None,
        stacking={"mode": stacking, "group": "A"} if panel.get("stack") else None,
    )


def _colours(panel: Json) -> list[Json]:
    return [
        _override(name, {"color": {"mode": "fixed", "fixedColor": colour}})
        for name, colour in mapping(panel.get("aliasColors")).items()
        if isinstance(colour, str) and colour
    ]


def _override(alias: str, properties: Json) -> Json:
    kind = "byRegexp" if PATTERN.match(alias) else "byName"
    changed = [{"id": key, "value": value} for key, value in properties.items()]
    return {"matcher": {"id": kind, "options": alias}, "properties": changed}


def _series(panel: Json, right: Json) -> Iterator[Json]:
    for one in objects(panel.get("seriesOverrides")):
        alias = text(one.get("alias"))
        if alias:
            yield _override(alias, _properties(one, right))


def _properties(one: Json, right: Json) -> Json:
    fill, width, stack = number(one.get("fill")), number(one.get("linewidth")), one.get("stack")
    found = without_none(
        color={"mode": "fixed", "fixedColor": one["color"]} if one.get("color") else None
    )
    custom = without_none(
        fillOpacity=10 * fill if fill is not None else None,
        lineWidth=0 if one.get("lines") is False else width,
        drawStyle="bars" if one.get("bars") else "points" if one.get("points") else None,
        lineStyle={"fill": "dash"} if one.get("dashes") else None,
        transform="negative-Y" if one.get("transform") == "negative-Y" else None,
        fillBelowTo=one.get("fillBelowTo"),
        spanNulls=True if one.get("nullPointMode") == "connected" else None,
        nullsAsZero=True if one.get("nullPointMode") == "null as zero" else None,
        lineInterpolation="stepAfter" if one.get("steppedLine") else None,
        stacking={"mode": "normal" if stack else "none", "group": text(stack) or "A"}
        if stack is not None
        else None,
    )
    if number(one.get("yaxis")) == 2:
        axis = _axis(right)
        custom = {**mapping(axis.pop("custom", None)), **custom, "axisPlacement": "right"}
        found |= axis
    return found | {f"custom.{key}": value for key, value in custom.items()}


def _thresholds(panel: Json) -> Json | None:
    """Return lines at the thresholds; the oldest panels had them in `grid`."""
    found = [
        (number(one.get("value")), text(one.get("lineColor")) or _severity(one))
        for one in objects(panel.get("thresholds"))
    ]
    grid = mapping(panel.get("grid"))
    found += [(number(grid.get(f"threshold{n}")), c) for n, c in ((1, "orange"), (2, "red"))]
    steps = sorted((value, colour) for value, colour in found if value is not None)
    if not steps:
        return None
    first = {"value": None, "color": "transparent"}
    return {"mode": "absolute", "steps": [first, *({"value": v, "color": c} for v, c in steps)]}


def _severity(one: Json) -> str:
    return CRITICAL.get(text(one.get("colorMode")), "red")


def _notes(panel: Json) -> Iterator[str]:
    if objects(panel.get("timeRegions")):
        yield "time regions"
    if any(one.get("fill") for one in objects(panel.get("thresholds"))):
        yield "areas of thresholds (their lines are drawn)"
    known = QUIET | {
        "color", "fill", "linewidth", "lines", "bars", "points", "dashes", "transform", "yaxis",
        "fillBelowTo", "nullPointMode", "steppedLine", "stack", "dashLength", "spaceLength",
        "fillGradient",
    }  # fmt: skip
    odd = sorted({k for one in objects(panel.get("seriesOverrides")) for k in one} - known)
    if odd:
        yield f"series overrides of {', '.join(odd)}"
