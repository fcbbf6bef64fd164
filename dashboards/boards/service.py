"""Service: rate, errors and duration per route, saturation, and the evidence behind them."""

from __future__ import annotations

from alerts.symptoms.dependencies import POOL_RATIO
from alerts.symptoms.orders import P99_SECONDS
from dashboards import queries as q
from dashboards.boards.links import TO_BUDGET, TO_CACHE
from dashboards.grafana.colours import (
    BAD,
    BROWN,
    CYAN,
    GREY,
    INDIGO,
    OLIVE,
    PEACH,
    PLAIN,
    PURPLE,
    SAND,
    SKY,
    STEEL,
    TEAL,
    WARN,
    WINE,
)
from dashboards.grafana.dashboard import Dashboard, Row, choice, choice_of_logs, one_of
from dashboards.grafana.panels import heatmap, stat, timeseries
from dashboards.grafana.style import COUNT, Column, Query, Style, warn_before
from dashboards.grafana.tables import logs, table, trace_list
from dashboards.objectives import objective
from observability.instrumentation import semconv as kit

QUANTILES = {"p50": SKY, "p95": PURPLE, "p99": WARN}
# One colour for each status that the API has, and one for the others of their class.
CODES = {
    "/^4/": GREY, "400": SKY, "402": CYAN, "403": PEACH, "404": PLAIN, "409": TEAL, "413": OLIVE,
    "415": SAND, "421": STEEL, "422": INDIGO, "429": WARN, "431": BROWN, "/^5/": WINE,
    "500": BAD, "503": PURPLE,
}  # fmt: skip
MEMORY = (
    "Of a process and its children, shared pages divided among them. Good: level. If it grows for "
    "hours, ProcessMemoryGrowing fires."
)
NO_REQUESTS = "no requests"
KINDS = {
    f"SPAN_KIND_{kind.upper()}": (kind, "text")
    for kind in ("server", "client", "producer", "consumer", "internal")
}
CALLS = (
    Column("client", "From"),
    Column("server", "To"),
    Column("connection_type", "Type", 160),
    Column("Value", "Per second", 110, unit="reqps"),
)
SPANS = (
    Column("service", "Service", 140),
    Column("span_name", "Span"),
    Column("span_kind", "Kind", 90, texts=KINDS),
    Column("Value", "Seconds per second", 160, unit="s"),
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="service",
        title="Service",
        description="Request rate, errors, latency, saturation. "
        "Good: error ratio and p99 below their objectives.",
        rows=(_overview(), _latency(), _traffic(), _saturation(), _evidence(), _dependencies()),
        variables=(
            choice("service", "Service", f"label_values({q.REQUESTS}_count, job)"),
            choice_of_logs("namespace", "Log namespace", "service_namespace"),
            one_of("slower", "Slower than", q.slow_bounds()),
        ),
        signals=("prometheus", "loki", "tempo"),
    )


def _overview() -> Row:
    budget = objective("orders-availability").budget
    return Row(
        "Overview",
        (
            stat("Request rate", "Requests per second in the last minute, health probes left out; "
                 "it follows the time of day.",
                 Query(q.now(q.request_rate("job"), q.SERVICES), "{{job}}"), Style("reqps"),
                 size=(6, 5)),
            stat("Error ratio", "Share of requests in the last minute that were answered with "
                 "5xx; 100 % if they hang. Good: below the error budget.",
                 Query(q.now(q.error_ratio(), q.SERVICES), "{{job}}"),
                 Style("percentunit", (budget, 10 * budget), maximum=1, absent=NO_REQUESTS),
                 size=(6, 5), links=TO_BUDGET),
            stat("Latency p99", "99 of 100 successful requests in the last minute were faster. "
                 "Good: below the objective.",
                 Query(q.now(q.latency_quantile(0.99, "job"), q.SERVICES), "{{job}}"),
                 Style("s", warn_before(P99_SECONDS), absent=NO_REQUESTS), size=(6, 5),
                 links=TO_BUDGET),
            stat("Active requests", "Requests in progress. Good: far fewer than there are threads.",
                 Query(q.now(q.active_requests(), q.SERVICES), "{{job}}"), Style("none"),
                 size=(6, 5)),
        ),
    )  # fmt: skip


def _latency() -> Row:
    style = Style("s", warn_before(P99_SECONDS), colours=QUANTILES)
    lines = tuple(
        Query(q.latency_quantile(quantile), f"p{round(quantile * 100)}", exemplars=quantile == 0.99)
        for quantile in (0.5, 0.95, 0.99)
    )
    return Row(
        "Latency",
        (
            timeseries("Latency p50/p95/p99", "Successful requests. A dot is one request: click it "
                       "to open its trace. Good: p99 below the upper line, the objective.", lines,
                       style, size=(12, 9), links=TO_BUDGET),
            heatmap("Latency heatmap", "Successful requests; a lighter cell holds more of them. A "
                    "second band above the first: some requests wait, for a lock or a cold cache.",
                    q.latency_buckets(), Style("s")),
            timeseries("Latency p99 by route", "Which route is slow. Good: all below the upper "
                       "line, the objective.",
                       (Query(q.latency_quantile(0.99, kit.HTTP_ROUTE), "{{http_route}}"),),
                       Style("s", warn_before(P99_SECONDS)), size=(24, 7), legend_right=True),
        ),
    )  # fmt: skip


def _traffic() -> Row:
    return Row(
        "Traffic and errors",
        (
            timeseries("Request rate by route", "Without health probes. If one route falls to "
                       "zero and the others do not, a client is broken.",
                       (Query(q.request_rate(), "{{http_route}}"),), Style("reqps"), stacked=True,
                       size=(14, 8), legend_right=True),
            timeseries("Responses by status (4xx, 5xx)", "4xx: errors of the client, a few are "
                       "normal. 5xx: errors of the service. Good: no 5xx.",
                       (Query(q.errors_by_code(), "{{http_response_status_code}}"),),
                       Style("reqps", soft_maximum=0.1, colours=CODES), size=(10, 8),
                       stacked=True),
        ),
    )  # fmt: skip


def _saturation() -> Row:
    pool = Style("percentunit", warn_before(POOL_RATIO, 0.8), maximum=1)
    return Row(
        "Saturation",
        (
            timeseries("Active requests over time", "If it rises and the request rate does not, a "
                       "dependency is slow.",
                       (Query(q.active_requests(), "{{job}}"),), COUNT, size=(8, 7)),
            timeseries("Connection pool usage", "Share of the pool's connections in use. Good: "
                       "below the lines; at 100 % the next request waits.",
                       (Query(q.pool_use_ratio(), "{{pool}}"),), pool, size=(8, 7),
                       links=TO_CACHE),
            timeseries("Process memory", MEMORY, (Query(q.process_memory(), "{{job}}"),),
                       Style("bytes"), size=(8, 7)),
        ),
    )  # fmt: skip


def _evidence() -> Row:
    return Row(
        "Evidence",
        (
            trace_list("Slow requests", "A sample of the requests above the limit chosen at the "
                       "top, the slowest first. The id opens the trace, the name the order "
                       "details.", q.slow_traces(), slowest_first=True),
            trace_list("Failed and rejected requests", "Traces with a span that failed or was "
                       "answered with 4xx or 5xx, declined payments included.",
                       q.failed_traces()),
            logs("Logs", "Log lines of the chosen services; each links to its trace.",
                 q.service_logs()),
        ),
    )  # fmt: skip


def _dependencies() -> Row:
    return Row(
        "Dependencies",
        (
            table("Calls between services", "From spans; databases and queues included.",
                  Query(q.service_graph()), CALLS, Style("reqps", absent="no calls"),
                  sort="Per second"),
            table("Time spent by span", "Seconds spent in spans of each name, per second; the "
                  "time a span waits for others is included.",
                  Query(q.span_seconds()), SPANS, Style("s", absent="no spans"),
                  sort="Seconds per second"),
        ),
    )  # fmt: skip
