"""Telemetry health: can the other dashboards be trusted, and what do they cost?"""

from __future__ import annotations

from dashboards import queries as q
from dashboards.board import Board, Row
from dashboards.panels import UP, Look, Query, bars, number, rows, series

DELIVERED = Look("percentunit", (0.9, 0.99), rising=False, highest=1)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="telemetry",
        title="Telemetry health",
        about="Can the other dashboards be trusted? What do they cost?",
        rows=(_trust(), _loss(), _cost(), _back_ends()),
    )


def _trust() -> Row:
    return Row(
        "Can it be trusted?",
        (
            number("Targets", "Whether each answered its last scrape.",
                   Query(q.targets_up(), "{{job}}"), UP, size=(16, 5), spark=False),
            number("Traces delivered", "Spans that arrived over sampled spans that ended. Good: "
                   "all.", Query(q.trace_delivery_ratio()), DELIVERED, size=(4, 5)),
            number("Log lines delivered", "Lines that arrived over lines written. Good: all.",
                   Query(q.log_delivery_ratio()), DELIVERED, size=(4, 5)),
        ),
    )  # fmt: skip


def _loss() -> Row:
    return Row(
        "What is lost?",
        (
            series("Spans dropped", "By reason; good is none.",
                   (Query(q.spans_dropped(), "{{reason}}"),), Look("ops"), stacked=True),
            series("Spans ended and accepted", "Sampled spans should arrive.",
                   (Query(q.spans_ended(), "{{job}} ended"),
                    Query(q.spans_accepted(), "accepted")), Look("ops")),
            series("Log lines written", "By service.", (Query(q.log_lines(), "{{job}}"),),
                   Look("ops"), stacked=True),
        ),
    )  # fmt: skip


def _cost() -> Row:
    return Row(
        "What does it cost?",
        (
            bars("Per second, by signal", "Samples, spans and log lines that are stored.",
                 Query(q.signal_cost(), "{{signal}}"), Look("ops")),
            series("Series by target", "Steady with steady code; a climb is a label that a client "
                   "chooses.", (Query(q.series_by_job(), "{{job}}"),), stacked=True),
            series("Duration of scrapes", "Good: far below the scrape interval.",
                   (Query(q.scrape_seconds(), "{{job}}"),), Look("s", (1, 4))),
            rows("Metrics with most series", "Where cardinality comes from.",
                 Query(q.series_by_metric()), hidden=("__name__",)),
            series("Series that Prometheus holds", "See MetricsCardinalityHigh.",
                   (Query(q.head_series(), "series"),), size=(12, 8)),
        ),
    )  # fmt: skip


def _back_ends() -> Row:
    return Row(
        "Inside the back ends",
        (
            series("Collector's queues", "How full; when full, telemetry is lost.",
                   (Query(q.collector_queue_ratio(), "{{exporter}}"),),
                   Look("percentunit", (0.5, 0.8), highest=1)),
            series("Lines into Loki", "Per second.", (Query(q.loki_lines(), "lines"),),
                   Look("ops")),
            series("Spans into Tempo", "Per second.", (Query(q.tempo_spans(), "spans"),),
                   Look("ops")),
        ),
        only_in="docker",
    )  # fmt: skip
