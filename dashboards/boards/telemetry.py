"""Telemetry health: can the other dashboards be trusted, and what do they cost?"""

from __future__ import annotations

from alerts.symptoms.telemetry import LINE_RATIO, SPAN_RATIO
from dashboards import queries as q
from dashboards.grafana.dashboard import Board, Row
from dashboards.grafana.panels import bars, number, series
from dashboards.grafana.style import NONE_IS_GOOD, SKY, UP, WARN, Bounds, Column, Look, Query
from dashboards.grafana.tables import rows

SENT = {"sent": SKY, "accepted": WARN}
FAMILIES = (Column("metric", "Metric"), Column("Value", "Series", 100))


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="telemetry",
        title="Telemetry health",
        about="Can the other dashboards be trusted? What do they cost?",
        rows=(_trust(), _loss(), _cost(), _back_ends()),
    )


def _delivered(least: float) -> Look:
    """Return how a delivery ratio is read; below `least` there is an alert."""
    bounds: Bounds = (least, (1 + least) / 2)
    return Look("percentunit", bounds, rising=False, highest=1, decimals=1)


def _trust() -> Row:
    return Row(
        "Can it be trusted?",
        (
            number("Targets", "Whether each answered its last scrape.",
                   Query(q.targets_up(), "{{job}}"), UP, size=(24, 4), spark=False),
            number("Traces delivered", "Spans that arrived over sampled spans that ended. Good: "
                   "all.", Query(q.trace_delivery_ratio()), _delivered(SPAN_RATIO), size=(4, 7)),
            series("Spans sent and accepted", "Averages of 5 minutes; the lines lie on each other. "
                   "After a start they take 5 minutes to meet.",
                   (Query(q.spans_sent(), "sent"), Query(q.spans_accepted(), "accepted")),
                   Look("ops", colours=SENT), size=(8, 7)),
            number("Log lines delivered", "Lines that arrived over lines written. Good: all.",
                   Query(q.log_delivery_ratio()), _delivered(LINE_RATIO), size=(4, 7)),
            series("Log lines written and accepted", "Averages of 5 minutes, as for spans.",
                   (Query(q.lines_sent(), "sent"), Query(q.lines_accepted(), "accepted")),
                   Look("ops", colours=SENT), size=(8, 7)),
        ),
    )  # fmt: skip


def _loss() -> Row:
    return Row(
        "What is lost, and who speaks?",
        (
            series("Spans dropped", "By reason; good is none.",
                   (Query(q.spans_dropped(), "{{reason}}"),), NONE_IS_GOOD, stacked=True),
            series("Spans ended", "By service, sampled or not.",
                   (Query(q.spans_ended(), "{{job}}"),), Look("ops"), stacked=True),
            series("Log lines written", "By service.", (Query(q.log_lines(), "{{job}}"),),
                   Look("ops"), stacked=True),
        ),
    )  # fmt: skip


def _cost() -> Row:
    return Row(
        "What does it cost?",
        (
            bars("Stored per second", "Samples, spans and log lines.",
                 Query(q.signal_cost(), "{{signal}}"), Look("short")),
            series("Series by target", "Steady with steady code; a climb is a label that a client "
                   "chooses.", (Query(q.series_by_job(), "{{job}}"),), Look("none"),
                   stacked=True, many=True),
            series("Duration of scrapes", "Good: far below the scrape interval, 5 s.",
                   (Query(q.scrape_seconds(), "{{job}}"),),
                   Look("s", (1, 4), roof=1.1), many=True),
            rows("Metrics with most series", "Where cardinality comes from.",
                 Query(q.series_by_metric()), FAMILIES, Look("none"), sort="Series"),
            series("Series that Prometheus holds", "A climb that does not end is a label without "
                   "bounds: MetricsCardinalityHigh.",
                   (Query(q.head_series(), "series"),), Look("none"), size=(12, 8)),
        ),
    )  # fmt: skip


def _back_ends() -> Row:
    return Row(
        "Inside the back ends",
        (
            series("Collector's queues", "How full; when full, telemetry is lost.",
                   (Query(q.collector_queue_ratio(), "{{exporter}}"),),
                   Look("percentunit", (0.5, 0.8), highest=1), size=(6, 8)),
            series("Lines into Loki", "Per second.",
                   (Query(q.loki_lines(), "lines"),), Look("ops"), size=(6, 8)),
            series("Spans into Tempo", "Per second.",
                   (Query(q.tempo_spans(), "spans"),), Look("ops"), size=(6, 8)),
            series("Bytes into Loki and Tempo", "Per second, as they arrive.",
                   (Query(q.bytes_received(), "{{job}}"),),
                   Look("Bps"), size=(6, 8)),
        ),
        only_in="docker",
    )  # fmt: skip
