"""The panels of rows: tables, log lines, lists of traces, and one trace, on the foundation SDK."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, logs, loki, table, tempo
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import tempo as tempo_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.panels import Panel, dress, mappings, prometheus_target
from dashboards.grafana.style import ANY, Column, Frame, Link, Look, Query

LOKI = models.DataSourceRef(type_val="loki", uid="${loki}")
TEMPO = models.DataSourceRef(type_val="tempo", uid="${tempo}")
# Of a row of a list of traces: the whole story of its order, in the same dashboard set.
STORY = (
    "Its spans and log lines",
    "/d/order?var-trace=${__data.fields.traceID}&${__url_time_range}",
)
TRACE_COLUMNS = (
    Column("traceID", "Trace", 110),
    Column("startTime", "Start", 170),
    Column("traceService", "Service", 130),
    Column("traceName", "Name", link=STORY),
    Column("traceDuration", "Duration", 100),
)


def rows(
    title: str,
    about: str,
    query: Query,
    columns: Sequence[Column],
    look: Look = ANY,
    *,
    size: tuple[int, int] = (12, 8),
    sort: str = "",
    links: Sequence[Link] = (),
) -> Panel:
    """Return a table with a row per series, and no column but these, in their order.

    The query must yield no other label. `sort` names the column whose highest value comes first.
    """
    target = prometheus_target(query, "A").instant().format(PromQueryFormat.TABLE)
    panel = table.Panel().with_target(target).show_header(True)
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
    return dress(panel, Frame(title, about, look, size, links))


def log_lines(
    title: str, about: str, logql: str, *, size: tuple[int, int] = (24, 10), most: int = 200
) -> Panel:
    """Return the newest log lines that a LogQL query selects."""
    query = loki.Dataquery().expr(logql).ref_id("A").query_type("range").max_lines(most)
    panel = logs.Panel().with_target(query.datasource(LOKI)).show_time(True).wrap_log_message(True)
    panel.enable_log_details(True).sort_order(shapes.LogsSortOrder.DESCENDING)
    panel.dedup_strategy(shapes.LogsDedupStrategy.NONE).prettify_log_message(False)
    return dress(panel, Frame(title, about, Look(), size, ()), LOKI)


def trace_list(
    title: str,
    about: str,
    traceql: str,
    *,
    size: tuple[int, int] = (12, 9),
    most: int = 20,
    slowest_first: bool = False,
) -> Panel:
    """Return the newest traces that a TraceQL query selects, one row each."""
    query = tempo.TempoQuery().query(traceql).query_type("traceql").ref_id("A").limit(most)
    query.table_type(tempo_models.SearchTableType.TRACES)
    panel = table.Panel().with_target(query.datasource(TEMPO)).show_header(True)
    for column in TRACE_COLUMNS:
        name = models.DynamicConfigValue("displayName", column.title)
        panel.override_by_name(column.label, [name, *_properties(column)])
    if slowest_first:
        panel.sort_by([common.TableSortByFieldState().display_name("Duration").desc(True)])
    # The data source says the units: milliseconds, and dates.
    return dress(panel, Frame(title, about, Look(""), size, ()), TEMPO)


def trace(title: str, about: str, trace_id: str, *, size: tuple[int, int] = (24, 16)) -> Panel:
    """Return the spans of one trace as a waterfall; `trace_id` may be a variable."""
    query = tempo.TempoQuery().query(trace_id).query_type("traceql").ref_id("A")
    panel = dashboard.Panel().type("traces").with_target(query.datasource(TEMPO))
    panel.no_value("No trace is chosen: click the name of one above, or paste its id.")
    return dress(panel, Frame(title, about, Look(), size, ()), TEMPO)


def _properties(column: Column) -> list[models.DynamicConfigValue]:
    """Return what makes a column different from the others."""
    found: list[tuple[str, object]] = []
    if column.width:
        found.append(("custom.width", column.width))
    if column.unit:
        found.append(("unit", column.unit))
    if column.words:
        found.append(("mappings", mappings(column.words)))
        found.append(("custom.displayMode", "color-text"))
        found.append(("custom.cellOptions", {"type": "color-text"}))
    if column.link:
        title, url = column.link
        found.append(("links", [{"title": title, "url": url}]))
    return [models.DynamicConfigValue(name, value) for name, value in found]
