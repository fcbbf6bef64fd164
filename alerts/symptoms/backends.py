"""Alerts on the stack's own backends: Collector, Loki, Tempo."""

from __future__ import annotations

from alerts.catalogue import (
    COLLECTOR,
    LOKI,
    LOKI_DISCARDED,
    LOKI_REQUESTS,
    QUEUE_CAPACITY,
    QUEUE_SIZE,
    TEMPO,
    TEMPO_DISCARDED,
)
from alerts.promql import JOB, equal, match, series
from alerts.promrules.model import Alert, Group
from alerts.symptoms.alert import TICKET, minutes
from alerts.symptoms.alert import stack_threshold as threshold

QUEUE_RATIO = 0.8
PUSH_ERROR_RATIO = 0.05
MIN_PUSH_ERRORS = 10
PUSH_ROUTES = ("loki_api_v1_push", "otlp_v1_logs")


def group() -> Group:
    """Return the backends' rules."""
    rules = (_collector_queue(), _loki_errors(), _loki_discards(), _tempo_discards())
    return Group("backends", rules)


def _collector_queue() -> Alert:
    job = equal(JOB, COLLECTOR.name)
    size = f"max_over_time({series(QUEUE_SIZE, job)}[2m])"
    capacity = f"max_over_time({series(QUEUE_CAPACITY)}[2m])"
    return threshold(
        "CollectorQueueFilling",
        f"max by (exporter) (\n  {size} / {capacity}\n) > {QUEUE_RATIO}",
        hold=minutes(5),
        severity=TICKET,
        service=COLLECTOR.name,
        summary="Collector: queue of {{ $labels.exporter }} nearly full",
        description="The queue is {{ $value | humanizePercentage }} full (threshold"
        f" {QUEUE_RATIO:.0%}). Once it is full, telemetry is lost.",
        dashboard="telemetry",
    )


def _loki_errors() -> Alert:
    pushes = (equal(JOB, LOKI.name), match("route", *PUSH_ROUTES))
    failed = series(LOKI_REQUESTS, *pushes, match("status_code", "5.."))
    return threshold(
        "LokiIngestionErrors",
        f"sum(rate({failed}[5m]))\n"
        f"/ sum(rate({series(LOKI_REQUESTS, *pushes)}[5m])) > {PUSH_ERROR_RATIO}\n"
        f"and sum(increase({failed}[5m])) >= {MIN_PUSH_ERRORS}",
        hold=minutes(5),
        severity=TICKET,
        service=LOKI.name,
        summary="Loki: pushes fail",
        description="{{ $value | humanizePercentage }} of pushes to Loki fail with a server error"
        f" (threshold {PUSH_ERROR_RATIO:.0%}). The Collector retries for 10 minutes; then log lines"
        " are lost.",
        dashboard="telemetry",
    )


def _discards(name: str, metric: str, program: str, what: str) -> Alert:
    discarded = series(metric, equal(JOB, program))
    return threshold(
        name,
        f"sum by (reason) (rate({discarded}[5m])) > 0",
        hold=minutes(10),
        severity=TICKET,
        service=program,
        summary=f"{program.capitalize()}: {what} discarded ({{{{ $labels.reason }}}})",
        description=f'{program.capitalize()} discards {{{{ $value | printf "%.2f" }}}} {what} per'
        " second (threshold 0). They are lost: the sender gets no error and does not retry.",
        dashboard="telemetry",
    )


def _loki_discards() -> Alert:
    return _discards("LokiDiscardingLines", LOKI_DISCARDED, LOKI.name, "log lines")


def _tempo_discards() -> Alert:
    return _discards("TempoDiscardingSpans", TEMPO_DISCARDED, TEMPO.name, "spans")
