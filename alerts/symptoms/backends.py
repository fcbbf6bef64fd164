"""Alerts of the stack's own back ends: Collector, Loki, Tempo."""

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
from alerts.symptoms.alert import TICKET, minutes, threshold

QUEUE_RATIO = 0.8
PUSH_ERROR_RATIO = 0.05
MIN_PUSH_ERRORS = 10
PUSH_ROUTES = ("loki_api_v1_push", "otlp_v1_logs")


def group() -> Group:
    """Return the back ends' rules."""
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
        summary="The Collector's queue for {{ $labels.exporter }} is nearly full",
        description="{{ $value | humanizePercentage }} full; when it is, telemetry is lost.",
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
        summary="Loki refuses log lines",
        description="{{ $value | humanizePercentage }} of pushes to Loki fail with a server error.",
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
        summary=f"{program.capitalize()} throws {what} away ({{{{ $labels.reason }}}})",
        description=f'{{{{ $value | printf "%.2f" }}}} {what} a second are lost; the sender is'
        " told no error that it would try again.",
        dashboard="telemetry",
    )


def _loki_discards() -> Alert:
    return _discards("LokiDiscardingLines", LOKI_DISCARDED, LOKI.name, "log lines")


def _tempo_discards() -> Alert:
    return _discards("TempoDiscardingSpans", TEMPO_DISCARDED, TEMPO.name, "spans")
