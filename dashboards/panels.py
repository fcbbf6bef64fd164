"""The few kinds of panel that the dashboards use, on Grafana's foundation SDK.

Only this module and `board.py` know the SDK. Colours are Okabe and Ito's, told apart by all eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    logs,
    loki,
    prometheus,
    stat,
    table,
    tempo,
    text,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import tempo as tempo_models
from grafana_foundation_sdk.models import text as text_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

GOOD, WARN, BAD, PLAIN = "#009E73", "#E69F00", "#D55E00", "#0072B2"
PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="${prometheus}")
LOKI = models.DataSourceRef(type_val="loki", uid="${loki}")
TEMPO = models.DataSourceRef(type_val="tempo", uid="${tempo}")
Panel = Builder[models.Panel]
P = TypeVar("P")


@dataclass(frozen=True)
class Query:
    """One PromQL query of a panel.

    Args:
        expr: The query.
        legend: How a series is called; `{{label}}` stands for its value.
        exemplars: Whether the traces behind it are shown as dots.
    """

    expr: str
    legend: str = "__auto"
    exemplars: bool = False


@dataclass(frozen=True)
class Link:
    """Where a panel leads to: another dashboard of ours, with the time range and variables kept.

    Args:
        title: What the reader clicks.
        uid: The dashboard's uid.
        variables: More of the address, such as `var-queue=orders`.
    """

    title: str
    uid: str
    variables: str = ""

    @property
    def url(self) -> str:
        """Return the address, relative to Grafana or to the console."""
        more = f"&{self.variables}" if self.variables else ""
        return f"/d/{self.uid}?${{__url_time_range}}{more}"


@dataclass(frozen=True)
class Look:
    """How values are read.

    Args:
        unit: Grafana's name of the unit.
        good_to_bad: Bounds from which a value is a warning, then bad; None leaves it plain.
        rising: Whether high values are the bad ones.
        lowest: Start of the axis.
        highest: End of the axis, where there is a limit.
        words: What single values mean, value to word and colour.
        decimals: Digits after the point; None lets Grafana choose.
    """

    unit: str = "short"
    good_to_bad: tuple[float, float] | None = None
    rising: bool = True
    lowest: float | None = 0
    highest: float | None = None
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    decimals: int | None = None

    def steps(self) -> list[models.Threshold]:
        """Return the colours by value."""
        if self.good_to_bad is None:
            return [models.Threshold(value=None, color=PLAIN)]
        low, high = sorted(self.good_to_bad)
        first, last = (GOOD, BAD) if self.rising else (BAD, GOOD)
        return _steps((None, first), (low, WARN), (high, last))

    def mappings(self) -> list[models.ValueMapping]:
        """Return the words for single values."""
        if not self.words:
            return []
        options = {
            value: models.ValueMappingResult(text=word, color=colour, index=index)
            for index, (value, (word, colour)) in enumerate(self.words.items())
        }
        return [models.ValueMap(options=options)]


@dataclass(frozen=True)
class Frame:
    """What every panel has.

    Args:
        title: A question or a noun.
        about: What good looks like.
        look: How its values are read.
        size: Columns of 24, and rows.
        links: Where it leads.
    """

    title: str
    about: str
    look: Look = Look()
    size: tuple[int, int] = (8, 8)
    links: Sequence[Link] = ()


UP = Look(lowest=0, highest=1, words={"0": ("down", BAD), "1": ("up", GOOD)})


def _steps(*pairs: tuple[float | None, str]) -> list[models.Threshold]:
    return [models.Threshold(value=value, color=colour) for value, colour in pairs]


def series(
    title: str,
    about: str,
    queries: Sequence[Query],
    look: Look = Look(),
    *,
    size: tuple[int, int] = (8, 8),
    stacked: bool = False,
    links: Sequence[Link] = (),
) -> Panel:
    """Return lines over time; dots on them are traces where a query has exemplars."""
    panel = timeseries.Panel()
    for query, ref in zip(queries, "ABCDEFGH", strict=False):
        panel.with_target(_prometheus(query, ref).range())
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST)
    panel.legend(legend.placement(shapes.LegendPlacement.BOTTOM).show_legend(True))
    tooltip = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI)
    panel.tooltip(tooltip.sort(shapes.SortOrder.DESCENDING))
    panel.line_width(1.5).fill_opacity(25 if stacked else 8)
    panel.show_points(shapes.VisibilityMode.NEVER).span_nulls(False)
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    if look.good_to_bad is not None:
        style = common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(style)
    colours = dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)
    return _dress(panel, Frame(title, about, look, size, links)).color_scheme(colours)


def number(
    title: str,
    about: str,
    query: Query,
    look: Look = Look(),
    *,
    size: tuple[int, int] = (4, 4),
    links: Sequence[Link] = (),
    spark: bool = True,
) -> Panel:
    """Return one value per series, coloured by its bounds, over a line of its past."""
    mode = shapes.BigValueGraphMode.AREA if spark else shapes.BigValueGraphMode.NONE
    panel = stat.Panel().with_target(_prometheus(query, "A").range())
    panel.graph_mode(mode).color_mode(shapes.BigValueColorMode.VALUE)
    named = shapes.BigValueTextMode.VALUE_AND_NAME
    panel.text_mode(named if "{{" in query.legend else shapes.BigValueTextMode.VALUE)
    return _dress(panel.reduce_options(_last()), Frame(title, about, look, size, links))


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
    panel = bargauge.Panel().with_target(_prometheus(query, "A").instant())
    panel.orientation(shapes.VizOrientation.HORIZONTAL).reduce_options(_last())
    panel.display_mode(shapes.BarGaugeDisplayMode.BASIC).show_unfilled(True)
    return _dress(panel, Frame(title, about, look, size, links))


def heat(
    title: str, about: str, expr: str, look: Look, *, size: tuple[int, int] = (12, 9)
) -> Panel:
    """Return a heat map of a histogram's buckets over time."""
    query = _prometheus(Query(expr, "{{le}}", exemplars=True), "A").range()
    panel = heatmap.Panel().with_target(query.format(PromQueryFormat.HEATMAP))
    panel.y_axis(heatmap.YAxisConfig().unit(look.unit)).calculate(False)
    colour = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME)
    panel.color(colour.scheme("Viridis").steps(64).exponent(0.5).reverse(False))
    panel.exemplars_color(BAD).cell_gap(1)
    return _dress(panel, Frame(title, about, look, size, ()))


def rows(
    title: str,
    about: str,
    query: Query,
    look: Look = Look(),
    *,
    size: tuple[int, int] = (12, 8),
    hidden: Sequence[str] = (),
    links: Sequence[Link] = (),
) -> Panel:
    """Return a table with a row per series: its labels, and its newest value."""
    target = _prometheus(query, "A").instant().format(PromQueryFormat.TABLE)
    panel = table.Panel().with_target(target).show_header(True)
    away = dict.fromkeys(["Time", "__name__", *hidden], True)
    organise = {"excludeByName": away, "indexByName": {}, "renameByName": {}}
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=organise))
    return _dress(panel, Frame(title, about, look, size, links))


def log_lines(
    title: str, about: str, logql: str, *, size: tuple[int, int] = (24, 10), most: int = 200
) -> Panel:
    """Return the newest log lines that a LogQL query selects."""
    query = loki.Dataquery().expr(logql).ref_id("A").query_type("range").max_lines(most)
    panel = logs.Panel().with_target(query.datasource(LOKI)).show_time(True).wrap_log_message(True)
    panel.enable_log_details(True).sort_order(shapes.LogsSortOrder.DESCENDING)
    panel.dedup_strategy(shapes.LogsDedupStrategy.NONE).prettify_log_message(False)
    return _dress(panel, Frame(title, about, Look(), size, ()), LOKI)


def trace_list(
    title: str, about: str, traceql: str, *, size: tuple[int, int] = (12, 9), most: int = 20
) -> Panel:
    """Return the newest traces that a TraceQL query selects, one row each."""
    query = tempo.TempoQuery().query(traceql).query_type("traceql").ref_id("A").limit(most)
    query.table_type(tempo_models.SearchTableType.TRACES)
    panel = table.Panel().with_target(query.datasource(TEMPO)).show_header(True)
    return _dress(panel, Frame(title, about, Look(), size, ()), TEMPO)


def trace(title: str, about: str, trace_id: str, *, size: tuple[int, int] = (24, 16)) -> Panel:
    """Return the spans of one trace as a waterfall; `trace_id` may be a variable."""
    query = tempo.TempoQuery().query(trace_id).query_type("traceql").ref_id("A")
    panel = dashboard.Panel().type("traces").with_target(query.datasource(TEMPO))
    return _dress(panel, Frame(title, about, Look(), size, ()), TEMPO)


def note(markdown: str, *, size: tuple[int, int] = (24, 3), title: str = "") -> Panel:
    """Return a few words in Markdown."""
    panel = text.Panel().mode(text_models.TextMode.MARKDOWN).content(markdown)
    panel.title(title).description("Words, no data.").span(size[0]).height(size[1])
    return panel.transparent(True)


def _prometheus(query: Query, ref: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(PROMETHEUS)
    return target.legend_format(query.legend).exemplar(query.exemplars)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _dress(panel: P, frame: Frame, datasource: models.DataSourceRef = PROMETHEUS) -> P:
    """Give a panel what every panel has."""
    built: Any = panel
    look = frame.look
    steps = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(look.steps())
    built.title(frame.title).description(frame.about).datasource(datasource)
    built.span(frame.size[0]).height(frame.size[1])
    built.unit(look.unit).thresholds(steps).mappings(look.mappings())
    if look.lowest is not None:
        built.min(look.lowest)
    if look.highest is not None:
        built.max(look.highest)
    if look.decimals is not None:
        built.decimals(look.decimals)
    links = [dashboard.DashboardLink(link.title).url(link.url) for link in frame.links]
    built.links([link.type(models.DashboardLinkType.LINK) for link in links])
    return panel
