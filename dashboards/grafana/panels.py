"""The panels of numbers that the dashboards use, on Grafana's foundation SDK.

Only this module, `tables.py` and `board.py` know the SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    text,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import text as text_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.style import ANY, GOOD, WARN, Frame, Link, Look, Query

PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="${prometheus}")
Panel = Builder[models.Panel]
P = TypeVar("P")
Word = Mapping[str, tuple[str, str]]

# Fewer than pixels: over many instances the cost of a query grows with the moments it is asked for.
LINE_POINTS = 150
# Of queries over buckets, which read twenty series where others read one.
BUCKET_POINTS = 75
HEAT_POINTS = 60
SPARK_POINTS = 60


def series(
    title: str,
    about: str,
    queries: Sequence[Query],
    look: Look = ANY,
    *,
    size: tuple[int, int] = (8, 8),
    stacked: bool = False,
    many: bool = False,
    links: Sequence[Link] = (),
) -> Panel:
    """Return lines over time; dots on them are traces where a query has exemplars.

    `stacked` lines are parts of a whole; the legend of `many` stands at the right.
    """
    over_buckets = any("_bucket" in query.expr for query in queries)
    panel = timeseries.Panel().max_data_points(BUCKET_POINTS if over_buckets else LINE_POINTS)
    for query, ref in zip(queries, "ABCDEFGH", strict=False):
        panel.with_target(prometheus_target(query, ref).range())
    panel.legend(_legend(many))
    tooltip = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI)
    panel.tooltip(tooltip.sort(shapes.SortOrder.DESCENDING))
    panel.line_width(1.5).fill_opacity(25 if stacked else 8)
    panel.show_points(shapes.VisibilityMode.NEVER).span_nulls(False)
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    colours = dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)
    _axis(panel, look)
    return dress(panel, Frame(title, about, look, size, links)).color_scheme(colours)


def number(
    title: str,
    about: str,
    query: Query,
    look: Look = ANY,
    *,
    size: tuple[int, int] = (4, 4),
    links: Sequence[Link] = (),
    spark: bool = True,
) -> Panel:
    """Return one value per series, coloured by its bounds, over a line of its past."""
    mode = shapes.BigValueGraphMode.AREA if spark else shapes.BigValueGraphMode.NONE
    panel = stat.Panel().with_target(prometheus_target(query, "A").range())
    panel.max_data_points(SPARK_POINTS)
    panel.graph_mode(mode).color_mode(shapes.BigValueColorMode.VALUE)
    named = "{{" in query.legend
    panel.text_mode(
        shapes.BigValueTextMode.VALUE_AND_NAME if named else shapes.BigValueTextMode.VALUE
    )
    # Else each name is as large as its own length allows, and no two agree.
    panel.text(common.VizTextDisplayOptions().title_size(13).value_size(24 if named else 34))
    return dress(panel.reduce_options(_last()), Frame(title, about, look, size, links))


def bars(
    title: str,
    about: str,
    query: Query,
    look: Look,
    *,
    size: tuple[int, int] = (8, 8),
    links: Sequence[Link] = (),
) -> Panel:
    """Return one bar per series against its limit."""
    panel = bargauge.Panel().with_target(prometheus_target(query, "A").instant())
    panel.orientation(shapes.VizOrientation.HORIZONTAL).reduce_options(_last())
    panel.display_mode(shapes.BarGaugeDisplayMode.BASIC).show_unfilled(True)
    panel.text(common.VizTextDisplayOptions().title_size(13).value_size(18))
    return dress(panel, Frame(title, about, look, size, links))


def heat(
    title: str, about: str, expr: str, look: Look, *, size: tuple[int, int] = (12, 9)
) -> Panel:
    """Return a heat map of a histogram's buckets over time."""
    query = prometheus_target(Query(expr, "{{le}}"), "A").range()
    panel = heatmap.Panel().with_target(query.format(PromQueryFormat.HEATMAP))
    panel.max_data_points(HEAT_POINTS)
    panel.y_axis(heatmap.YAxisConfig().unit(look.unit)).calculate(False)
    colour = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME)
    panel.color(colour.scheme("Viridis").steps(64).exponent(0.5).reverse(False))
    panel.cell_gap(1)
    return dress(panel, Frame(title, about, look, size, ()))


def note(markdown: str, *, size: tuple[int, int] = (24, 3), title: str = "") -> Panel:
    """Return a few words in Markdown."""
    panel = text.Panel().mode(text_models.TextMode.MARKDOWN).content(markdown)
    panel.title(title).span(size[0]).height(size[1])
    return panel.transparent(True)


def prometheus_target(query: Query, ref: str) -> prometheus.Dataquery:
    """Return a query as Grafana writes it, under its letter."""
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(PROMETHEUS)
    return target.legend_format(query.legend).exemplar(query.exemplars)


def dress(panel: P, frame: Frame, datasource: models.DataSourceRef = PROMETHEUS) -> P:
    """Give a panel what every panel has."""
    built: Any = panel
    look = frame.look
    steps = [models.Threshold(value=value, color=colour) for value, colour in look.steps()]
    bounds = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
    built.title(frame.title).description(frame.about).datasource(datasource)
    built.span(frame.size[0]).height(frame.size[1])
    built.unit(look.unit).thresholds(bounds).mappings(mappings(look.words))
    for set_it, value in ((built.min, look.lowest), (built.max, look.highest)):
        if value is not None:
            set_it(value)
    if look.decimals is not None:
        built.decimals(look.decimals)
    _overrides(built, look)
    links = [dashboard.DashboardLink(link.title).url(link.url) for link in frame.links]
    built.links([link.type(models.DashboardLinkType.LINK) for link in links])
    return panel


def _overrides(built: Any, look: Look) -> None:
    """Give single series their colours and bounds."""
    for name, colour in look.colours.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        built.override_by_regexp(name, [models.DynamicConfigValue("color", fixed)])
    for name, least in look.floors.items():
        colours = [{"value": None, "color": WARN}, {"value": least, "color": GOOD}]
        bounds_of = {"mode": "absolute", "steps": colours}
        built.override_by_name(name, [models.DynamicConfigValue("thresholds", bounds_of)])


def mappings(words: Word) -> list[models.ValueMapping]:
    """Return the words for single values."""
    if not words:
        return []
    options = {
        value: models.ValueMappingResult(text=word, color=colour, index=index)
        for index, (value, (word, colour)) in enumerate(words.items())
    }
    return [models.ValueMap(options=options)]


def _axis(panel: timeseries.Panel, look: Look) -> None:
    """Draw the bounds, and let the axis reach them."""
    if look.good_to_bad is not None:
        style = common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(style)
    reach = look.reach()
    if reach is not None:
        panel.axis_soft_max(reach)
    if look.logarithmic:
        scale = common.ScaleDistributionConfig().type(shapes.ScaleDistribution.LOG).log(10)
        panel.scale_distribution(scale)
    if look.dashed:
        dashes = models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]})
        panel.override_by_regexp(look.dashed, [dashes])


def _legend(many: bool) -> common.VizLegendOptions:
    place = shapes.LegendPlacement.RIGHT if many else shapes.LegendPlacement.BOTTOM
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST)
    return legend.placement(place).show_legend(True)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)
