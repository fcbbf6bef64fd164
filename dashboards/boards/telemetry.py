"""Telemetry health: scrape targets, loss of spans and log lines, and the cost of telemetry."""

from __future__ import annotations

from alerts.symptoms.telemetry import LINE_RATIO, SPAN_RATIO
from dashboards import queries as q
from dashboards.grafana.colours import SKY, WARN
from dashboards.grafana.dashboard import Dashboard, Row
from dashboards.grafana.panels import bar_gauge, stat, timeseries
from dashboards.grafana.style import GONE, NONE_IS_GOOD, Column, Query, Style
from dashboards.grafana.tables import table

SENT = {"sent": SKY, "accepted": WARN}
SCRAPE = Style("s", (1, 4), soft_maximum=1.1)
METRICS = (Column("metric", "Metric"), Column("Value", "Series", 100))


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="telemetry",
        title="Telemetry health",
        description="Whether telemetry arrives, and what it costs. "
        "Good: all targets up, everything delivered.",
        rows=(_overview(), _loss(), _cost(), _backends()),
    )


def _delivery(limit: float) -> Style:
    """Return the style of a delivery ratio; an alert fires below `limit`."""
    thresholds = (limit, (1 + limit) / 2)
    return Style("percentunit", thresholds, high_is_bad=False, maximum=1, decimals=1)


def _overview() -> Row:
    return Row(
        "Overview",
        (
            stat("Scrape targets", "Whether all targets of a job answered their last scrape. Gone: "
                 "no target is left. Good: all up.",
                 Query(q.now(q.targets_up(), q.TARGETS), "{{job}}"), GONE, size=(24, 5)),
            stat("Span delivery", "Accepted spans divided by ended sampled spans. Good: 100 %.",
                 Query(q.now(q.trace_delivery_ratio())), _delivery(SPAN_RATIO), size=(4, 7)),
            timeseries("Spans sent and accepted", "Averages over 5 minutes. Good: both lines are "
                       "equal; after a start it takes 5 minutes until they meet.",
                       (Query(q.spans_sent(), "sent"), Query(q.spans_accepted(), "accepted")),
                       Style("ops", colours=SENT), size=(8, 7)),
            stat("Log delivery", "Accepted log lines divided by written ones. Good: 100 %.",
                 Query(q.now(q.log_delivery_ratio())), _delivery(LINE_RATIO), size=(4, 7)),
            timeseries("Log lines sent and accepted", "As for spans. Good: both lines are equal.",
                       (Query(q.lines_sent(), "sent"), Query(q.lines_accepted(), "accepted")),
                       Style("ops", colours=SENT), size=(8, 7)),
        ),
    )  # fmt: skip


def _loss() -> Row:
    return Row(
        "Loss and volume",
        (
            timeseries("Dropped spans by reason", "Spans per second. Good: 0.",
                       (Query(q.spans_dropped(), "{{reason}}"),), NONE_IS_GOOD, stacked=True),
            timeseries("Spans by service", "Ended spans per second, sampled or not.",
                       (Query(q.spans_ended(), "{{job}}"),), Style("ops"), stacked=True),
            timeseries("Log lines by service", "Written log lines per second.",
                       (Query(q.log_lines(), "{{job}}"),), Style("ops"), stacked=True),
        ),
    )  # fmt: skip


def _cost() -> Row:
    return Row(
        "Cost",
        (
            bar_gauge("Stored per second", "Samples, spans and log lines.",
                      Query(q.signal_cost(), "{{signal}}"), Style("short")),
            timeseries("Series by job", "Good: constant between deployments. If it grows, clients "
                       "choose the values of a label.", (Query(q.series_by_job(), "{{job}}"),),
                       Style("none"), stacked=True, legend_right=True),
            timeseries("Scrape duration", "Good: far below the scrape interval, 5 s.",
                       (Query(q.scrape_seconds(), "{{job}}"),), SCRAPE, legend_right=True),
            table("Metrics with the most series", "Where the cardinality comes from.",
                  Query(q.series_by_metric()), METRICS, Style("none"), sort="Series"),
            timeseries("Active series in Prometheus", "If it grows without end, a label is "
                       "unbounded: see the runbook of MetricsCardinalityHigh.",
                       (Query(q.head_series(), "series"),), Style("none"), size=(12, 8)),
        ),
    )  # fmt: skip


def _backends() -> Row:
    return Row(
        "Telemetry backends",
        (
            timeseries("Collector queue usage", "Good: near 0; a full queue loses telemetry.",
                       (Query(q.collector_queue_ratio(), "{{exporter}}"),),
                       Style("percentunit", (0.5, 0.8), maximum=1), size=(6, 8)),
            timeseries("Loki ingestion rate", "Log lines per second.",
                       (Query(q.loki_lines(), "lines"),), Style("ops"), size=(6, 8)),
            timeseries("Tempo ingestion rate", "Spans per second.",
                       (Query(q.tempo_spans(), "spans"),), Style("ops"), size=(6, 8)),
            timeseries("Bytes received", "Bytes per second into Loki and Tempo.",
                       (Query(q.bytes_received(), "{{job}}"),), Style("Bps"), size=(6, 8)),
        ),
        only_in="docker",
    )  # fmt: skip
