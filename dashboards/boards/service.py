"""Service: rate, errors and duration per route, and what stands behind a bad figure."""

from __future__ import annotations

from alerts.symptoms.dependencies import POOL_RATIO
from alerts.symptoms.orders import P99_SECONDS
from dashboards import queries as q
from dashboards.grafana.dashboard import Board, Row, choice, choice_of_logs, one_of
from dashboards.grafana.panels import heat, number, series
from dashboards.grafana.style import (
    BAD,
    COUNT,
    PURPLE,
    SKY,
    WARN,
    Column,
    Link,
    Look,
    Query,
    half_way,
)
from dashboards.grafana.tables import log_lines, rows, trace_list
from dashboards.objectives import objective
from observability.instrumentation import semconv as kit

QUANTILES = {"p50": SKY, "p95": PURPLE, "p99": WARN}
CODES = {"/^4/": SKY, "/^5/": BAD}
KINDS = {
    f"SPAN_KIND_{kind.upper()}": (kind, "text")
    for kind in ("server", "client", "producer", "consumer", "internal")
}
CALLS = (
    Column("client", "From"),
    Column("server", "To"),
    Column("connection_type", "Over", 160),
    Column("Value", "Per second", 110, unit="reqps"),
)
SPANS = (
    Column("service", "Service", 140),
    Column("span_name", "Span"),
    Column("span_kind", "Kind", 90, words=KINDS),
    Column("Value", "Seconds per second", 160, unit="s"),
)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="service",
        title="Service",
        about="Is the service answering, correctly, and fast enough? If not, where?",
        rows=(_now(), _duration(), _traffic(), _saturation(), _evidence(), _neighbours()),
        variables=(
            choice("service", "Service", f"label_values({q.REQUESTS}_count, job)"),
            choice_of_logs("namespace", "Namespace of logs", "service_namespace"),
            one_of("slower", "Slow is over", q.slow_bounds()),
        ),
        signals=("prometheus", "loki", "tempo"),
    )


def _now() -> Row:
    budget = objective("orders-availability").budget
    return Row(
        "Now",
        (
            number("Requests per second", "What customers ask; it follows the time of day.",
                   Query(q.request_rate("job"), "{{job}}"), Look("reqps"), size=(6, 5)),
            number("Errors", "Share answered 5xx. Good is below the error budget.",
                   Query(q.error_ratio()), Look("percentunit", (budget, 10 * budget), highest=1),
                   size=(6, 5), links=(Link("Error budget", "slo"),)),
            number("p99", "99 of 100 requests are faster. Good is below the objective.",
                   Query(q.latency_quantile(0.99)), Look("s", half_way(P99_SECONDS)), size=(6, 5),
                   links=(Link("Error budget", "slo"),)),
            number("In flight now", "Requests being answered; good is far below the threads there "
                   "are.", Query(q.requests_in_flight(), "{{job}}"), Look("none"), size=(6, 5)),
        ),
    )  # fmt: skip


def _duration() -> Row:
    look = Look("s", half_way(P99_SECONDS), colours=QUANTILES)
    lines = tuple(
        Query(q.latency_quantile(quantile), f"p{round(quantile * 100)}", exemplars=quantile == 0.99)
        for quantile in (0.5, 0.95, 0.99)
    )
    return Row(
        "How long does it take?",
        (
            series("Duration of requests that succeed", "A dot is a request: click it to see its "
                   "trace. Good: p99 stays under the upper line, the objective.", lines, look,
                   size=(12, 9), links=(Link("Error budget", "slo"),)),
            heat("Where the requests that succeed lie", "The lighter, the more. A second band "
                 "above the first is a second kind of request: a cold cache, a lock.",
                 q.latency_heat(), Look("s")),
            series("p99 by route", "Which route is slow.",
                   (Query(q.latency_quantile(0.99, kit.HTTP_ROUTE), "{{http_route}}"),),
                   Look("s", half_way(P99_SECONDS)), size=(24, 7), many=True),
        ),
    )  # fmt: skip


def _traffic() -> Row:
    return Row(
        "What is asked, and what goes wrong?",
        (
            series("Requests by route", "A fall to zero with the others steady is a broken client.",
                   (Query(q.request_rate(), "{{http_route}}"),), Look("reqps"), stacked=True,
                   size=(14, 8), many=True),
            series("Answers 4xx and 5xx", "4xx are the client's: a few are normal. 5xx are ours: "
                   "good is none.", (Query(q.errors_by_code(), "{{http_response_status_code}}"),),
                   Look("reqps", roof=0.1, colours=CODES), size=(10, 8), stacked=True),
        ),
    )  # fmt: skip


def _saturation() -> Row:
    pool = Look("percentunit", half_way(POOL_RATIO, 0.8), highest=1)
    return Row(
        "How full is it?",
        (
            series("In flight", "A climb without more traffic means that something behind is slow.",
                   (Query(q.requests_in_flight(), "{{job}}"),), COUNT, size=(12, 7)),
            series("Database connections in use", "Share of the pool; at 1 the next request waits.",
                   (Query(q.pool_use_ratio(), "{{pool}}"),), pool, size=(12, 7),
                   links=(Link("Cache and database", "cache-database"),)),
        ),
    )  # fmt: skip


def _evidence() -> Row:
    return Row(
        "Evidence",
        (
            trace_list("Slow requests", "Some of those over the bound that is chosen above, the "
                       "slowest first. The id opens the trace, the name the whole story.",
                       q.slow_traces(), slowest_first=True),
            trace_list("Failed and refused requests", "Something in them failed, or was answered "
                       "4xx or 5xx: a declined payment counts too.", q.failed_traces()),
            log_lines("Log lines", "The chosen services; a line leads to its trace.",
                      q.service_logs()),
        ),
    )  # fmt: skip


def _neighbours() -> Row:
    return Row(
        "Who calls whom?",
        (
            rows("Calls between services", "From spans; databases and queues included.",
                 Query(q.service_graph()), CALLS, Look("reqps"), sort="Per second"),
            rows("Where the time goes", "Seconds spent in spans of each name per second that "
                 "passes; what a span waits for is in it.",
                 Query(q.span_seconds()), SPANS, Look("s"), sort="Seconds per second"),
        ),
    )  # fmt: skip
