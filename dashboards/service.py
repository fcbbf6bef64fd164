"""Service: rate, errors and duration per route, and what stands behind a bad figure."""

from __future__ import annotations

from alerts.spec import load_objectives
from dashboards import queries as q
from dashboards.board import Board, Row, choice
from dashboards.panels import Link, Look, Query, heat, log_lines, number, rows, series, trace_list
from observability.instrumentation import semconv as kit

OBJECTIVE_SECONDS = 0.5


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="service",
        title="Service",
        about="Is the service answering, correctly, and fast enough? If not, where?",
        rows=(_now(), _duration(), _traffic(), _evidence(), _neighbours()),
        variables=(
            choice("service", "Service", f"label_values({q.REQUESTS}_count, job)"),
            choice("namespace", "Namespace", "label_values(service_namespace)", loki=True),
        ),
        signals=("prometheus", "loki", "tempo"),
    )


def _error_budget() -> float:
    """Return the share of requests that may fail; from the SLO file."""
    budgets = {objective.name: objective.budget for objective in load_objectives()}
    return budgets["orders-availability"]


def _now() -> Row:
    budget = _error_budget()
    seconds = Look("s", (OBJECTIVE_SECONDS / 2, OBJECTIVE_SECONDS))
    return Row(
        "Now",
        (
            number("Requests per second", "What customers ask; it follows the time of day.",
                   Query(q.request_rate("job"), "{{job}}"), Look("reqps"), size=(6, 4)),
            number("Errors", "Share answered 5xx. Good is below the error budget.",
                   Query(q.error_ratio()), Look("percentunit", (budget, 10 * budget), highest=1),
                   size=(6, 4), links=(Link("Error budget", "slo"),)),
            number("p99", "99 of 100 requests are faster. Good is below the objective.",
                   Query(q.latency_quantile(0.99)), seconds, size=(6, 4)),
            number("In flight", "Requests being answered; good is far below the threads there are.",
                   Query(q.requests_in_flight(), "{{job}}"), size=(6, 4)),
        ),
    )  # fmt: skip


def _duration() -> Row:
    look = Look("s", (OBJECTIVE_SECONDS / 2, OBJECTIVE_SECONDS))
    lines = tuple(
        Query(q.latency_quantile(quantile), f"p{round(quantile * 100)}", exemplars=quantile == 0.99)
        for quantile in (0.5, 0.95, 0.99)
    )
    return Row(
        "How long does it take?",
        (
            series("Duration of requests that succeed", "A dot is a request: click it to see its "
                   "trace. Good: p99 stays under the dashed objective.", lines, look, size=(12, 9)),
            heat("Where the requests lie", "Brighter is more. A second band above the first is a "
                 "second kind of request: a cold cache, a lock, a slow dependency.",
                 q.latency_heat(), Look("s")),
            series("p99 by route", "Which route is slow.",
                   (Query(q.latency_quantile(0.99, kit.HTTP_ROUTE), "{{http_route}}"),), look,
                   size=(24, 7)),
        ),
    )  # fmt: skip


def _traffic() -> Row:
    return Row(
        "What is asked, and what goes wrong?",
        (
            series("Requests by route", "A fall to zero with the others steady is a broken client.",
                   (Query(q.request_rate(), "{{http_route}}"),), Look("reqps"), stacked=True),
            series("Answers 4xx and 5xx", "4xx are the client's: a few are normal. 5xx are ours: "
                   "good is none.", (Query(q.errors_by_code(), "{{http_response_status_code}}"),),
                   Look("reqps"), stacked=True),
            series("In flight", "A climb without more traffic means that something behind is slow.",
                   (Query(q.requests_in_flight(), "{{job}}"),)),
        ),
    )  # fmt: skip


def _evidence() -> Row:
    return Row(
        "Evidence",
        (
            trace_list("Slow requests", "Requests over the latency objective; a row opens its "
                       "trace. Good is an empty list.", q.slow_traces()),
            trace_list("Failed traces", "A span in them failed; a declined payment counts too.",
                       q.failed_traces()),
            log_lines("Log lines", "The chosen services; a line leads to its trace.",
                      q.service_logs()),
        ),
    )  # fmt: skip


def _neighbours() -> Row:
    return Row(
        "Who calls whom?",
        (
            rows("Calls between services", "From spans: requests per second, databases and queues "
                 "included.", Query(q.service_graph()), Look("reqps")),
            rows("What the time goes into", "The busiest spans, per second.",
                 Query(q.span_rate()), Look("ops")),
        ),
    )  # fmt: skip
