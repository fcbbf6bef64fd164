"""Panels of rows: tables, logs, lists of traces, and a single trace."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, loki, tempo
from grafana_foundation_sdk.builders import logs as logs_builders
from grafana_foundation_sdk.builders import table as table_builders
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import tempo as tempo_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.panels import Panel, apply_frame, mappings, prometheus_target
from dashboards.grafana.style import Column, Frame, Query, Style
from observability.instrumentation import semconv as kit

LOKI = models.DataSourceRef(type_val="loki", uid="${loki}")
TEMPO = models.DataSourceRef(type_val="tempo", uid="${tempo}")
# Columns of a list of spans that say the same in each row, or that people do not read.
NOT_SHOWN = ("traceIdHidden", "traceService", "traceName", "spanID", "service.name")
ATTEMPTS_PER_TRACE = 20
TO_SPANS = ("Its spans", "/d/order?var-trace=${__data.fields.traceIdHidden}&${__url_time_range}")
ATTEMPTS = (
    Column("time", "Start", 170),
    Column(kit.ATTR_CELERY_TASK_NAME, "Task", link=TO_SPANS),
    Column(kit.ATTR_CELERY_TASK_ATTEMPT, "Attempt", 80),
    Column("name", "Span", 140),
    Column("duration", "Duration", 100),
)
# The link of a row in a list of traces: all spans and log lines of its order.
TO_ORDER = (
    "Its spans and log lines",
    "/d/order?var-trace=${__data.fields.traceID}&${__url_time_range}",
)
NO_TRACES = "no traces in this time range"
TRACE_COLUMNS = (
    Column("traceID", "Trace", 110),
    Column("startTime", "Start", 170),
    Column("traceService", "Service", 130),
    Column("traceName", "Name", link=TO_ORDER),
    # Tempo leaves out a duration that rounds to 0 ms.
    Column("traceDuration", "Duration", 100, absent="< 1 ms"),
)


def table(
    title: str,
    description: str,
    query: Query,
    columns: Sequence[Column],
    style: Style,
    *,
    size: tuple[int, int] = (12, 8),
    sort: str = "",
) -> Panel:
    """Return a table with a row per series and these columns, in their order.

    The query must return no other label. `sort` names the column to sort by, highest value first.
    """
    target = prometheus_target(query, "A").instant().format(PromQueryFormat.TABLE)
    panel = table_builders.Panel().with_target(target).show_header(True)
    organise = {
        "excludeByName": {"Time": True},
        "indexByName": {column.label: place for place, column in enumerate(columns)},
        "renameByName": {column.label: column.title for column in columns},
    }
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=organise))
    for column in columns:
        panel.override_by_name(column.title, _properties(column))
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    return apply_frame(panel, Frame(title, description, style, size))


def logs(title: str, description: str, logql: str) -> Panel:
    """Return the newest log lines that a LogQL query selects."""
    query = loki.Dataquery().expr(logql).ref_id("A").query_type("range").max_lines(200)
    panel = logs_builders.Panel().with_target(query.datasource(LOKI))
    panel.show_time(True).wrap_log_message(True).enable_log_details(True).sort_order(
        shapes.LogsSortOrder.DESCENDING
    )
    panel.dedup_strategy(shapes.LogsDedupStrategy.NONE).prettify_log_message(False)
    lines = Style(absent="no log lines in this time range")
    return apply_frame(panel, Frame(title, description, lines, size=(24, 10)), LOKI)


def trace_list(
    title: str,
    description: str,
    traceql: str,
    *,
    size: tuple[int, int] = (12, 9),
    slowest_first: bool = False,
) -> Panel:
    """Return the newest traces that a TraceQL query selects, one row each."""
    query = tempo.TempoQuery().query(traceql).query_type("traceql").ref_id("A").limit(20)
    query.table_type(tempo_models.SearchTableType.TRACES)
    panel = table_builders.Panel().with_target(query.datasource(TEMPO)).show_header(True)
    for column in TRACE_COLUMNS:
        name = models.DynamicConfigValue("displayName", column.title)
        panel.override_by_name(column.label, [name, *_properties(column)])
    if slowest_first:
        panel.sort_by([common.TableSortByFieldState().display_name("Duration").desc(True)])
    # The data source sets the units: milliseconds, and dates.
    return apply_frame(panel, Frame(title, description, Style("", absent=NO_TRACES), size), TEMPO)


def span_list(
    title: str,
    description: str,
    traceql: str,
    columns: Sequence[Column],
    *,
    size: tuple[int, int] = (12, 9),
) -> Panel:
    """Return the newest spans that a TraceQL query selects, one row each.

    The columns are `time`, `name`, `duration` and the attributes that the query selects.
    """
    query = tempo.TempoQuery().query(traceql).query_type("traceql").ref_id("A").limit(20)
    query.table_type(tempo_models.SearchTableType.SPANS).spss(ATTEMPTS_PER_TRACE)
    panel = table_builders.Panel().with_target(query.datasource(TEMPO)).show_header(True)
    for hidden in NOT_SHOWN:
        panel.override_by_name(hidden, [models.DynamicConfigValue("custom.hidden", True)])
    for column in columns:
        name = models.DynamicConfigValue("displayName", column.title)
        panel.override_by_name(column.label, [name, *_properties(column)])
    return apply_frame(panel, Frame(title, description, Style("", absent=NO_TRACES), size), TEMPO)


def trace(title: str, description: str, trace_id: str) -> Panel:
    """Return the spans of one trace as a waterfall; `trace_id` may be a variable.

    The limit is for a query in place of an id: Grafana 9 sends the word "undefined" without it.
    """
    query = tempo.TempoQuery().query(trace_id).query_type("traceql").ref_id("A").limit(1)
    panel = dashboard.Panel().type("traces").with_target(query.datasource(TEMPO))
    hint = Style(absent="No trace selected: click the name of one above, or paste a trace id.")
    return apply_frame(panel, Frame(title, description, hint, size=(24, 16)), TEMPO)


def _properties(column: Column) -> list[models.DynamicConfigValue]:
    """Return the overrides of a column."""
    found: list[tuple[str, object]] = []
    if column.width:
        found.append(("custom.width", column.width))
    if column.unit:
        found.append(("unit", column.unit))
    if column.texts:
        found.append(("mappings", mappings(column.texts)))
        found.append(("custom.displayMode", "color-text"))
        found.append(("custom.cellOptions", {"type": "color-text"}))
    if column.link:
        title, url = column.link
        found.append(("links", [{"title": title, "url": url}]))
    if column.absent:
        found.append(("noValue", column.absent))
    return [models.DynamicConfigValue(name, value) for name, value in found]
