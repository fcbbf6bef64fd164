"""Alerts on what no process reaches: its dependencies, and the receiver of its telemetry."""

from __future__ import annotations

from datetime import timedelta

from alerts.promql import JOB, equal, series
from alerts.promrules.model import Alert, Group
from alerts.symptoms.alert import PAGE, TICKET, threshold
from observability.instrumentation.semconv import (
    DEPENDENCY,
    DEPENDENCY_UP,
    SAMPLED,
    TELEMETRY_SPANS_ENDED,
    TELEMETRY_SPANS_EXPORTED,
)

# Evaluated as often as our processes are scraped, so that a page arrives within 90 seconds.
INTERVAL = timedelta(seconds=5)
HOLD = timedelta(seconds=30)
# Long enough for a process that reported the outage and then cannot be scraped any more.
REPORTED = "2m"
# Short enough that a process which cannot be scraped does not count as reaching it for long.
REACHED = "30s"


def group() -> Group:
    """Return the rules on outages of dependencies."""
    rules = (
        _down(
            "DatabaseDown",
            "postgres",
            PAGE,
            "the database",
            "Orders cannot be placed or fulfilled; reads work while they are cached.",
        ),
        _down(
            "BrokerDown",
            "broker",
            PAGE,
            "the broker",
            "Orders are accepted and wait in the outbox; none is fulfilled.",
        ),
        _down(
            "CacheDown",
            "cache",
            PAGE,
            "the cache",
            "Every read becomes a database query, and the database may not carry the load.",
        ),
        _down(
            "PaymentProviderDown",
            "payment-provider",
            PAGE,
            "the payment provider",
            "Orders are accepted and stay pending; none is paid.",
        ),
        _down(
            "MailServerDown",
            "smtp",
            TICKET,
            "the mail server",
            "Confirmation emails are late; their tasks wait for it and are tried again.",
        ),
        _not_exported(),
    )
    return Group("outages", rules, INTERVAL)


def _down(name: str, dependency: str, severity: str, words: str, impact: str) -> Alert:
    def reports(value: int, window: str) -> str:
        up = f"last_over_time({series(DEPENDENCY_UP, equal(DEPENDENCY, dependency))}[{window}])"
        return f"max by ({DEPENDENCY}) ({up} == {value})"

    return threshold(
        name,
        # Two windows: a process that cannot be scraped may still have reported the outage, but
        # must not count as reaching the dependency because of what it reported before.
        f"{reports(0, REPORTED)}\nunless on ({DEPENDENCY}) {reports(1, REACHED)}",
        hold=HOLD,
        severity=severity,
        service=dependency,
        summary=f"{dependency}: no process can reach {words}",
        description=f"No process has reached {words} for 30 seconds, and at least one reports that"
        f" it cannot. {impact}",
        dashboard="cache-database",
    )


def _not_exported() -> Alert:
    ended = series(TELEMETRY_SPANS_ENDED, equal(SAMPLED, "true"))
    exported = series(TELEMETRY_SPANS_EXPORTED)
    return threshold(
        "TelemetryNotExported",
        # The second window begins before the first and ends after it, so that a span counts only
        # once there was time to export it.
        f"sum by ({JOB}) (increase({ended}[30s] offset 10s)) > 0\n"
        f"and sum by ({JOB}) (increase({exported}[50s])) == 0",
        hold=timedelta(seconds=15),
        severity=TICKET,
        service="telemetry",
        summary="{{ $labels.job }}: no span reaches the receiver",
        description='{{ $labels.job }} ended about {{ $value | printf "%.0f" }} spans in 30 seconds'
        " and has exported none for a minute. Once its queue is full, telemetry is lost.",
        dashboard="telemetry",
    )
