"""Text panels and panels of numbers: timeseries, stat, bar gauge, heatmap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus
from grafana_foundation_sdk.builders import heatmap as heatmap_builders
from grafana_foundation_sdk.builders import stat as stat_builders
from grafana_foundation_sdk.builders import text as text_builders
from grafana_foundation_sdk.builders import timeseries as timeseries_builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import text as text_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.colours import GOOD, WARN
from dashboards.grafana.style import NONE_IS_GOOD, Frame, Link, Query, Style

PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="${prometheus}")
Panel = Builder[models.Panel]
P = TypeVar("P")

# Fewer points than pixels: a query over many instances costs more with every point.
LINE_POINTS = 150
# Queries over buckets read twenty series where others read one.
BUCKET_POINTS = 75
HEAT_POINTS = 60


def timeseries(
    title: str,
    description: str,
    queries: Sequence[Query],
    style: Style,
    *,
    size: tuple[int, int] = (8, 8),
    stacked: bool = False,
    legend_right: bool = False,
    links: Sequence[Link] = (),
) -> Panel:
    """Return lines over time; a query with exemplars adds dots that link to traces.

    `stacked` draws the lines as parts of a whole; `legend_right` is for many series.
    """
    over_buckets = any("_bucket" in query.expr for query in queries)
    panel = timeseries_builders.Panel()
    panel.max_data_points(BUCKET_POINTS if over_buckets else LINE_POINTS)
    for query, ref in zip(queries, "ABCDEFGH", strict=False):
        panel.with_target(prometheus_target(query, ref).range())
    panel.legend(_legend(right=legend_right))
    tooltip = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI)
    panel.tooltip(tooltip.sort(shapes.SortOrder.DESCENDING))
    panel.line_width(1.5).fill_opacity(25 if stacked else 8)
    panel.show_points(shapes.VisibilityMode.NEVER).span_nulls(False)
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    if stacked or style == NONE_IS_GOOD:
        # A legend of ten names that are all 0 hides the one that is not.
        panel.overrides([_ZerosHidden()])
    colours = dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)
    _axis(panel, style)
    frame = Frame(title, description, _on_axes(style), size, links)
    return apply_frame(panel, frame).color_scheme(colours)


def _on_axes(style: Style) -> Style:
    """Return the style without a text for no value.

    Grafana, up to 10.2 at least, writes that text at every tick of an axis that has no label.
    Source: https://github.com/grafana/grafana/issues/79100
    """
    return replace(style, absent=None)


class _ZerosHidden(Builder[models.DashboardFieldConfigSourceOverrides]):
    """Grafana's "hide series with all zeros": the line stays, its name goes."""

    def build(self) -> models.DashboardFieldConfigSourceOverrides:
        """Return the override."""
        zero = {"op": "gte", "reducer": "allIsZero", "value": 0}
        hidden = {"legend": True, "tooltip": True, "viz": False}
        return models.DashboardFieldConfigSourceOverrides(
            matcher=models.MatcherConfig(id_val="byValue", options=zero),
            properties=[models.DynamicConfigValue("custom.hideFrom", hidden)],
        )


def stat(
    title: str,
    description: str,
    query: Query,
    style: Style,
    *,
    size: tuple[int, int] = (4, 4),
    links: Sequence[Link] = (),
    one_per_line: bool = False,
) -> Panel:
    """Return the newest value of each series, coloured by its thresholds.

    There is no sparkline: Grafana draws one only of the query whose last point is the value, and
    the last point of a series that ended is old. `one_per_line` is for long names.
    """
    panel = stat_builders.Panel().with_target(prometheus_target(query, "A").instant())
    panel.graph_mode(shapes.BigValueGraphMode.NONE).color_mode(shapes.BigValueColorMode.VALUE)
    if one_per_line:
        panel.orientation(shapes.VizOrientation.HORIZONTAL)
    named = "{{" in query.legend
    mode = shapes.BigValueTextMode.VALUE_AND_NAME if named else shapes.BigValueTextMode.VALUE
    panel.text_mode(mode).reduce_options(_last_value())
    # Without sizes Grafana sizes each name by its own length.
    panel.text(common.VizTextDisplayOptions().title_size(13).value_size(24 if named else 34))
    return _with_absent(apply_frame(panel, Frame(title, description, style, size, links)), style)


def bar_gauge(
    title: str,
    description: str,
    query: Query,
    style: Style,
    *,
    size: tuple[int, int] = (8, 8),
    links: Sequence[Link] = (),
) -> Panel:
    """Return one bar per series, of its newest value."""
    panel = bargauge.Panel().with_target(prometheus_target(query, "A").instant())
    panel.orientation(shapes.VizOrientation.HORIZONTAL).reduce_options(_last_value())
    panel.display_mode(shapes.BarGaugeDisplayMode.BASIC).show_unfilled(True)
    panel.text(common.VizTextDisplayOptions().title_size(13).value_size(18))
    return _with_absent(apply_frame(panel, Frame(title, description, style, size, links)), style)


def heatmap(title: str, description: str, expr: str, style: Style) -> Panel:
    """Return a heatmap of a histogram's buckets over time."""
    query = prometheus_target(Query(expr, "{{le}}"), "A").range()
    panel = heatmap_builders.Panel().with_target(query.format(PromQueryFormat.HEATMAP))
    panel.max_data_points(HEAT_POINTS)
    panel.y_axis(heatmap_builders.YAxisConfig().unit(style.unit)).calculate(False)
    colour = heatmap_builders.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME)
    panel.color(colour.scheme("Viridis").steps(64).exponent(0.5).reverse(False))
    panel.cell_gap(1)
    return apply_frame(panel, Frame(title, description, _on_axes(style), (12, 9)))


def text(markdown: str, *, size: tuple[int, int] = (24, 3)) -> Panel:
    """Return a text panel in Markdown, without a title."""
    panel = text_builders.Panel().mode(text_models.TextMode.MARKDOWN).content(markdown)
    panel.title("").span(size[0]).height(size[1])
    return panel.transparent(True)


def prometheus_target(query: Query, ref: str) -> prometheus.Dataquery:
    """Return a query in Grafana's model, under its letter."""
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(PROMETHEUS)
    return target.legend_format(query.legend).exemplar(query.exemplars)


def apply_frame(panel: P, frame: Frame, datasource: models.DataSourceRef = PROMETHEUS) -> P:
    """Set the properties that every kind of panel has; return the panel."""
    built: Any = panel
    style = frame.style
    steps = [models.Threshold(value=value, color=colour) for value, colour in style.steps()]
    thresholds = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
    built.title(frame.title).description(frame.description).datasource(datasource)
    built.span(frame.size[0]).height(frame.size[1])
    built.unit(style.unit).thresholds(thresholds).mappings(mappings(style.texts))
    if style.absent is not None:
        built.no_value(style.absent)
    for set_limit, value in ((built.min, style.minimum), (built.max, style.maximum)):
        if value is not None:
            set_limit(value)
    if style.decimals is not None:
        built.decimals(style.decimals)
    _overrides(built, style)
    links = [dashboard.DashboardLink(link.title).url(link.url) for link in frame.links]
    built.links([link.type(models.DashboardLinkType.LINK) for link in links])
    return panel


def _overrides(built: Any, style: Style) -> None:
    """Give single series their colours and thresholds."""
    for name, colour in style.colours.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        built.override_by_regexp(name, [models.DynamicConfigValue("color", fixed)])
    for name, minimum in style.minimums.items():
        colours = [{"value": None, "color": WARN}, {"value": minimum, "color": GOOD}]
        thresholds = {"mode": "absolute", "steps": colours}
        built.override_by_name(name, [models.DynamicConfigValue("thresholds", thresholds)])


def _with_absent(panel: P, style: Style) -> P:
    """Give a value that does not exist a text and a colour; return the panel.

    Without it Grafana colours it by the lowest threshold, which is green where high is bad.
    """
    built: Any = panel
    result = models.ValueMappingResult(
        text=style.absent or "", color=style.absent_colour, index=len(style.texts)
    )
    options = models.DashboardSpecialValueMapOptions(
        match=models.SpecialValueMatch.NULL_AND_NAN, result=result
    )
    built.mappings([*mappings(style.texts), models.SpecialValueMap(options=options)])
    return panel


def mappings(texts: Mapping[str, tuple[str, str]]) -> list[models.ValueMapping]:
    """Return the texts and colours of single values as value mappings."""
    if not texts:
        return []
    options = {
        value: models.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    return [models.ValueMap(options=options)]


def _axis(panel: timeseries_builders.Panel, style: Style) -> None:
    """Draw the thresholds, and extend the axis to them."""
    if style.thresholds is not None:
        dashed = common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(dashed)
    end = style.axis_end()
    if end is not None:
        panel.axis_soft_max(end)
    if style.logarithmic:
        scale = common.ScaleDistributionConfig().type(shapes.ScaleDistribution.LOG).log(10)
        panel.scale_distribution(scale)
    if style.dashed:
        dashes = models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]})
        panel.override_by_regexp(style.dashed, [dashes])


def _legend(*, right: bool) -> common.VizLegendOptions:
    place = shapes.LegendPlacement.RIGHT if right else shapes.LegendPlacement.BOTTOM
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST)
    return legend.placement(place).show_legend(True)


def _last_value() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)
