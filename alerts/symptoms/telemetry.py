"""Alerts on lost telemetry: what the application sent, against what the backends accepted."""

from __future__ import annotations

from alerts.catalogue import (
    LOKI,
    LOKI_LINES,
    STORE,
    STORE_LINES,
    STORE_SPANS,
    TEMPO,
    TEMPO_SPANS,
    Program,
)
from alerts.promql import JOB, equal, series
from alerts.promrules.model import Alert, Group, Recording
from alerts.symptoms.alert import TICKET, minutes, threshold
from observability.instrumentation.semconv import (
    REASON,
    SAMPLED,
    TELEMETRY_LOG_LINES,
    TELEMETRY_SPANS_DROPPED,
    TELEMETRY_SPANS_ENDED,
)

SPANS_ACCEPTED = "backend:spans_accepted:rate5m"
LINES_ACCEPTED = "backend:log_lines_accepted:rate5m"
SPAN_RATIO = 0.9
LINE_RATIO = 0.95
MIN_RATE = 1
SERVICE = "telemetry"


def delivery_docker() -> Group:
    """Return the recordings of what Tempo and Loki accepted."""
    return _accepted(TEMPO, TEMPO_SPANS, LOKI, LOKI_LINES)


def delivery_local() -> Group:
    """Return the recordings of what the local mode's store accepted."""
    return _accepted(STORE, STORE_SPANS, STORE, STORE_LINES)


def _accepted(traces: Program, spans: str, logs: Program, lines: str) -> Group:
    rules = (
        Recording(SPANS_ACCEPTED, f"sum(rate({series(spans, equal(JOB, traces.name))}[5m]))"),
        Recording(LINES_ACCEPTED, f"sum(rate({series(lines, equal(JOB, logs.name))}[5m]))"),
    )
    return Group("delivery", rules)


def group() -> Group:
    """Return the alerts on delivery; the recordings that they read differ by mode."""
    ended = series(TELEMETRY_SPANS_ENDED, equal(SAMPLED, "true"))
    return Group(
        "telemetry",
        (
            _ratio_low("TraceDeliveryRatioLow", SPANS_ACCEPTED, ended, SPAN_RATIO, "spans"),
            _ratio_low(
                "LogDeliveryRatioLow",
                LINES_ACCEPTED,
                series(TELEMETRY_LOG_LINES),
                LINE_RATIO,
                "log lines",
            ),
            _spans_dropped(),
        ),
    )


def _ratio_low(name: str, accepted: str, sent: str, ratio: float, what: str) -> Alert:
    return threshold(
        name,
        # `or vector(0)`: when the backend's counter is gone too, nothing arrives. The offset: what
        # was sent a moment ago, by a process that starts for example, may still be on its way.
        f"({accepted} or vector(0))\n/ (sum(rate({sent}[5m] offset 1m)) > {MIN_RATE}) < {ratio}",
        hold=minutes(10),
        severity=TICKET,
        service=SERVICE,
        summary=f"Telemetry: {what} are lost",
        description=f"The backend accepted {{{{ $value | humanizePercentage }}}} of the {what} that"
        f" the application sent (threshold {ratio:.0%} for 10 minutes). The rest are missing when"
        " you search for them.",
        dashboard="telemetry",
    )


def _spans_dropped() -> Alert:
    dropped = series(TELEMETRY_SPANS_DROPPED)
    return threshold(
        "SpansDroppedInApp",
        f"sum by ({JOB}, {REASON}) (rate({dropped}[5m])) > 0",
        hold=minutes(5),
        severity=TICKET,
        service=SERVICE,
        summary="{{ $labels.job }}: spans dropped ({{ $labels.reason }})",
        description='{{ $labels.job }} has dropped {{ $value | printf "%.2f" }} spans per second'
        " before sending them, for 5 minutes (threshold 0). Traces are incomplete.",
        dashboard="telemetry",
    )
