"""Alerts on the API: p99 latency, no process, no traffic, no measured queue."""

from __future__ import annotations

from alerts.catalogue import SPAN_CALLS
from alerts.promql import JOB, LE, STARTED, UP, differ, equal, series
from alerts.promrules.model import Alert, Group, Recording
from alerts.symptoms.alert import PAGE, TICKET, minutes, threshold
from observability.instrumentation.semconv import (
    CELERY_POLLER_UP,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    HTTP_SERVER_REQUEST_DURATION,
)
from service.semconv import ORDERS, ORDERS_RELAY, ORDERS_WORKER

P99_SECONDS = 0.5
P99_MIN_REQUESTS = 300
TRAFFIC_RATIO = 0.2
TRAFFIC_BASELINE = 1

P99 = f"job:{HTTP_SERVER_REQUEST_DURATION.name}:p99_rate5m"
TRAFFIC = "orders:requests:rate10m"
TRAFFIC_BEFORE = "orders:requests_before:rate1h"
CUSTOMERS = (equal(JOB, ORDERS), differ(HTTP_ROUTE, "/livez", "/readyz"))
SUCCEEDED = (*CUSTOMERS, differ(HTTP_RESPONSE_STATUS_CODE, "5.."))


def group() -> Group:
    """Return the API's rules."""
    recordings = (_p99(), *_traffic())
    return Group(
        "orders",
        (
            *recordings,
            _p99_high(),
            _down(),
            _workers_missing(),
            _poller_missing(),
            _traffic_dropped(),
        ),
    )


def _p99() -> Recording:
    buckets = series(HTTP_SERVER_REQUEST_DURATION, *SUCCEEDED, part="_bucket")
    return Recording(P99, f"histogram_quantile(0.99, sum by ({JOB}, {LE}) (rate({buckets}[5m])))")


def _p99_high() -> Alert:
    requests = series(HTTP_SERVER_REQUEST_DURATION, *SUCCEEDED, part="_count")
    return threshold(
        "OrdersLatencyP99High",
        # Rounded, since versions differ in the last bit of a value on the edge.
        f"round({P99}, 0.001) > {P99_SECONDS}\n"
        f"and sum by ({JOB}) (increase({requests}[5m])) >= {P99_MIN_REQUESTS}",
        hold=minutes(10),
        severity=TICKET,
        service=ORDERS,
        summary=f"orders: p99 latency above {P99_SECONDS} s",
        description='The p99 latency of successful requests is {{ $value | printf "%.2f" }} s'
        f" (threshold {P99_SECONDS} s for 10 minutes, at least {P99_MIN_REQUESTS} requests in 5"
        " minutes). One customer in a hundred waits at least that long.",
        dashboard="service",
    )


def _down() -> Alert:
    return _missing("OrdersDown", ORDERS, "Customers cannot place or read orders.", "home")


def _workers_missing() -> Alert:
    impact = "Orders are accepted but not fulfilled."
    return _missing("WorkersMissing", ORDERS_WORKER, impact, "worker")


def _missing(name: str, job: str, impact: str, dashboard: str) -> Alert:
    # A window, not an instant: `up` of an instance that is gone for good has no stale mark after
    # a restart of Prometheus, and would count for 5 minutes.
    scraped = f"sum(max_over_time({series(UP, equal(JOB, job))}[1m]))"
    spans = f"sum(increase({series(SPAN_CALLS, equal('service', job))}[1m]))"
    return threshold(
        name,
        # One label set whether the job is down or gone; `or absent()` would make two alerts.
        # A process that still sends spans is not missing, only its metrics port does not answer.
        f"({scraped} or vector(0)) < 1\nunless on () {spans} > 0\nand {STARTED}",
        hold=minutes(1),
        severity=PAGE,
        service=job,
        labels={JOB: job},
        summary=f"{job}: no instance is up",
        description=f"Prometheus has reached no instance of {job} for 2 minutes, and no span of it"
        f" arrives. {impact}",
        dashboard=dashboard,
    )


def _poller_missing() -> Alert:
    relay = equal(JOB, ORDERS_RELAY)
    return threshold(
        "QueuePollerDown",
        f"max by ({JOB}) (max_over_time({series(UP, relay)}[1m])) == 1\n"
        f"unless on ({JOB}) max by ({JOB}) (last_over_time({series(CELERY_POLLER_UP)}[2m])) >= 0",
        hold=minutes(2),
        severity=TICKET,
        service=ORDERS_RELAY,
        labels={JOB: ORDERS_RELAY},
        summary=f"{ORDERS_RELAY}: the queues are not measured",
        description=f"{ORDERS_RELAY} is scraped but has exposed no metrics of the queues for 2"
        " minutes. Alerts on depth, age and stalls cannot fire.",
        dashboard="worker",
    )


def _traffic() -> tuple[Recording, Recording]:
    rate = f"rate({series(HTTP_SERVER_REQUEST_DURATION, *CUSTOMERS, part='_count')}"
    return (
        Recording(TRAFFIC, f"sum({rate}[10m]))"),
        Recording(TRAFFIC_BEFORE, f"sum({rate}[1h] offset 10m))"),
    )


def _traffic_dropped() -> Alert:
    return threshold(
        "OrdersTrafficDropped",
        # `or … * 0`: when every series is gone the traffic is 0, not unknown.
        f"({TRAFFIC} or {TRAFFIC_BEFORE} * 0) < {TRAFFIC_RATIO} * {TRAFFIC_BEFORE}\n"
        f"and {TRAFFIC_BEFORE} > {TRAFFIC_BASELINE}",
        hold=minutes(10),
        severity=TICKET,
        service=ORDERS,
        summary="orders: traffic below a fifth of the usual rate",
        description='{{ $value | printf "%.2f" }} requests per second over 10 minutes (threshold'
        f" {TRAFFIC_RATIO:.0%} of the hour before). Customers may be unable to reach the service.",
        dashboard="service",
    )
