"""Alerts on the use of dependencies: connection pools, cache errors, circuit breakers, outbox."""

from __future__ import annotations

from alerts.promql import equal, series, unequal
from alerts.promrules.model import Alert, Group
from alerts.symptoms.alert import PAGE, TICKET, minutes, threshold
from observability.instrumentation.semconv import (
    BREAKER_STATES,
    CACHE,
    CACHE_REQUESTS,
    CIRCUIT_BREAKER_STATE,
    CIRCUIT_BREAKER_TRANSITIONS,
    DB_POOL_IN_USE,
    DB_POOL_MAX,
    DB_POOL_TIMEOUTS,
    DEPENDENCY,
    POOL,
    RESULT,
    TO,
)
from service.semconv import (
    ORDERS,
    ORDERS_RELAY,
    ORDERS_WORKER,
    OUTBOX_OLDEST_UNPUBLISHED_AGE,
    OUTBOX_POISON_ROWS,
)

POOL_RATIO = 0.9
POOL_TIMEOUTS = 5
CACHE_ERROR_RATIO = 0.1
CACHE_MIN_ERRORS = 20
BREAKER_CYCLES = 3
OUTBOX_SECONDS = 60
OUTBOX_STUCK_SECONDS = 600


def group() -> Group:
    """Return the dependencies' rules."""
    rules = (
        _pool_saturated(),
        _pool_timeouts(),
        _cache_errors(),
        _breaker_open(),
        _breaker_flapping(),
        _outbox_lag(),
        _outbox_stuck(),
        _outbox_poison(),
    )
    return Group("dependencies", rules)


def _pool_saturated() -> Alert:
    busy = f"avg_over_time({series(DB_POOL_IN_USE)}[2m])"
    most = f"last_over_time({series(DB_POOL_MAX)}[2m])"
    return threshold(
        "DBPoolSaturated",
        # Per instance first, since an empty pool would hide a full one.
        f"max by ({POOL}) (\n  {busy} / {most}\n) > {POOL_RATIO}",
        hold=minutes(10),
        severity=TICKET,
        service=ORDERS,
        summary="Connection pool {{ $labels.pool }}: nearly exhausted",
        description="{{ $value | humanizePercentage }} of the connections of {{ $labels.pool }}"
        f" are in use (threshold {POOL_RATIO:.0%} for 10 minutes). In the next burst, requests wait"
        " for a connection and then fail.",
        dashboard="cache-database",
    )


def _pool_timeouts() -> Alert:
    return threshold(
        "DBPoolTimeouts",
        f"sum by ({POOL}) (increase({series(DB_POOL_TIMEOUTS)}[5m])) >= {POOL_TIMEOUTS}",
        hold=minutes(1),
        severity=PAGE,
        service=ORDERS,
        summary="Connection pool {{ $labels.pool }}: requests time out",
        description='About {{ $value | printf "%.0f" }} requests failed in 5 minutes (threshold'
        f" {POOL_TIMEOUTS}) because no connection was free in time.",
        dashboard="cache-database",
    )


def _cache_errors() -> Alert:
    errors = series(CACHE_REQUESTS, equal(RESULT, "error"))
    lookups = series(CACHE_REQUESTS, unequal(RESULT, "bypass"))
    return threshold(
        "CacheErrorsHigh",
        f"sum by ({CACHE}) (rate({errors}[5m]))\n"
        f"/ sum by ({CACHE}) (rate({lookups}[5m])) > {CACHE_ERROR_RATIO}\n"
        f"and sum by ({CACHE}) (increase({errors}[5m])) >= {CACHE_MIN_ERRORS}",
        hold=minutes(5),
        severity=TICKET,
        service=ORDERS,
        summary="Cache {{ $labels.cache }}: lookups fail",
        description="{{ $value | humanizePercentage }} of lookups in {{ $labels.cache }} fail"
        f" (threshold {CACHE_ERROR_RATIO:.0%}). Each failed lookup becomes a database query.",
        dashboard="cache-database",
    )


def _breaker_open() -> Alert:
    state = f"{series(CIRCUIT_BREAKER_STATE)}[2m]"
    return threshold(
        "CircuitBreakerOpen",
        # The maximum, since an open breaker is half-open now and then; the newest value, so that
        # the alert does not begin after the breaker has closed.
        f"max by ({DEPENDENCY}) (max_over_time({state})) == {BREAKER_STATES['open']}\n"
        f"and max by ({DEPENDENCY}) (last_over_time({state})) > {BREAKER_STATES['closed']}",
        hold=minutes(2),
        severity=TICKET,
        service=ORDERS_WORKER,
        summary="Circuit breaker to {{ $labels.dependency }}: open",
        description="The breaker has been open for 2 minutes: calls to {{ $labels.dependency }}"
        " fail at once, without being tried. Tasks that need it are retried later.",
        dashboard="worker",
    )


def _breaker_flapping() -> Alert:
    closed = series(CIRCUIT_BREAKER_TRANSITIONS, equal(TO, "closed"))
    return threshold(
        "CircuitBreakerFlapping",
        # Closings: in a long outage a breaker opens again and again, but closes only at the end.
        # The children of a worker share one breaker, so each closing ends one outage; several
        # workers see the same outage, and are not added up.
        f"max by ({DEPENDENCY}) (increase({closed}[30m])) >= {BREAKER_CYCLES}",
        hold=minutes(0),
        severity=TICKET,
        service=ORDERS_WORKER,
        summary="Circuit breaker to {{ $labels.dependency }}: flapping",
        description='The breaker closed about {{ $value | printf "%.0f" }} times in 30 minutes'
        f" (threshold {BREAKER_CYCLES}). {{{{ $labels.dependency }}}} is unstable, and tasks that"
        " need it are late.",
        dashboard="worker",
    )


def _outbox(name: str, seconds: int, severity: str, words: str) -> Alert:
    return threshold(
        name,
        f"max(max_over_time({series(OUTBOX_OLDEST_UNPUBLISHED_AGE)}[2m])) > {seconds}",
        hold=minutes(2),
        severity=severity,
        service=ORDERS_RELAY,
        summary=f"Outbox: orders have waited for more than {words}",
        description="The oldest row that is due is {{ $value | humanizeDuration }} old (threshold"
        f" {words}). The relay is slow, stopped, or cannot reach the broker; these orders are not"
        " processed.",
        dashboard="worker",
    )


def _outbox_lag() -> Alert:
    return _outbox("OutboxLagHigh", OUTBOX_SECONDS, TICKET, "a minute")


def _outbox_stuck() -> Alert:
    return _outbox("OutboxStuck", OUTBOX_STUCK_SECONDS, PAGE, "10 minutes")


def _outbox_poison() -> Alert:
    return threshold(
        "OutboxPoisonRows",
        f"max(max_over_time({series(OUTBOX_POISON_ROWS)}[2m])) > 0",
        hold=minutes(5),
        severity=TICKET,
        service=ORDERS_RELAY,
        summary="Outbox: rows cannot be sent",
        description="{{ $value }} rows could not be sent and were set aside (threshold 0). The"
        " order behind each is stuck until you release the row.",
        dashboard="worker",
    )
