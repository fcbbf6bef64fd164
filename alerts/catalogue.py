"""Third-party metrics that our rules read, with the versions that expose them.

Our own are declared in the semconv modules. A lint compares every rule and test series with both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """A program that is scraped.

    Args:
        name: Its Prometheus job, or what several jobs run.
        version: The releases that expose these names.
        metrics: The labels of each metric, without job and instance.
    """

    name: str
    version: str
    metrics: dict[str, tuple[str, ...]]


RULE_FAILURES = "prometheus_rule_evaluation_failures_total"
MISSED_ITERATIONS = "prometheus_rule_group_iterations_missed_total"
CONFIG_RELOADED = "prometheus_config_last_reload_successful"
ALERTS_SENT = "prometheus_notifications_sent_total"
ALERTS_NOT_SENT = "prometheus_notifications_errors_total"
HEAD_SERIES = "prometheus_tsdb_head_series"
NOTIFICATIONS = "alertmanager_notifications_total"
NOTIFICATIONS_FAILED = "alertmanager_notifications_failed_total"
QUEUE_SIZE = "otelcol_exporter_queue_size"
QUEUE_CAPACITY = "otelcol_exporter_queue_capacity"
LOKI_REQUESTS = "loki_request_duration_seconds_count"
LOKI_LINES = "loki_distributor_lines_received_total"
LOKI_DISCARDED = "loki_discarded_samples_total"
TEMPO_SPANS = "tempo_distributor_spans_received_total"
TEMPO_DISCARDED = "tempo_discarded_spans_total"
SPAN_CALLS = "traces_spanmetrics_calls_total"
POSTGRES_REACHED = "pg_up"
REDIS_REACHED = "redis_up"
STORE_SPANS = "telemetry_store_spans_accepted_total"
STORE_LINES = "telemetry_store_log_lines_accepted_total"

PROMETHEUS = Program(
    "prometheus",
    "2.42 to 3.14",
    {
        RULE_FAILURES: ("rule_group",),
        MISSED_ITERATIONS: ("rule_group",),
        CONFIG_RELOADED: (),
        ALERTS_SENT: ("alertmanager",),
        ALERTS_NOT_SENT: ("alertmanager",),
        HEAD_SERIES: (),
    },
)
ALERTMANAGER = Program(
    "alertmanager",
    "0.25 to 0.34",
    {
        NOTIFICATIONS: ("integration", "receiver_name"),
        NOTIFICATIONS_FAILED: ("integration", "reason", "receiver_name"),
    },
)
COLLECTOR = Program(
    "collector",
    "0.161.0",
    {
        QUEUE_SIZE: ("exporter", "data_type"),
        QUEUE_CAPACITY: ("exporter", "data_type"),
    },
)
LOKI = Program(
    "loki",
    "3.7.6",
    {
        LOKI_REQUESTS: ("method", "route", "status_code", "ws"),
        LOKI_LINES: ("tenant",),
        LOKI_DISCARDED: ("reason", "tenant"),
    },
)
TEMPO = Program(
    "tempo",
    "3.0.3",
    {
        TEMPO_SPANS: ("tenant",),
        TEMPO_DISCARDED: ("reason", "tenant"),
        SPAN_CALLS: ("service", "span_name", "span_kind", "status_code"),
    },
)
STORE = Program(
    "console",
    "this repository",
    {
        STORE_SPANS: ("service",),
        STORE_LINES: ("service",),
        SPAN_CALLS: ("service", "span_name", "span_kind", "status_code"),
    },
)
POSTGRES_EXPORTER = Program("postgres-exporter", "0.20.1", {POSTGRES_REACHED: ()})
REDIS_EXPORTER = Program("redis-exporter", "1.93.0", {REDIS_REACHED: ()})

PROGRAMS = (
    PROMETHEUS,
    ALERTMANAGER,
    COLLECTOR,
    LOKI,
    TEMPO,
    STORE,
    POSTGRES_EXPORTER,
    REDIS_EXPORTER,
)
