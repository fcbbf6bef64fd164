"""Alerts on the API: p99 latency, no process, no traffic."""

from __future__ import annotations

from alerts.promql import JOB, LE, UP, differ, equal, series
from alerts.promrules.model import Alert, Group, Recording
from alerts.symptoms.alert import PAGE, TICKET, minutes, threshold
from observability.instrumentation.semconv import (
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    HTTP_SERVER_REQUEST_DURATION,
)
from service.semconv import ORDERS, ORDERS_WORKER

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
        "orders", (*recordings, _p99_high(), _down(), _workers_missing(), _traffic_dropped())
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
    return threshold(
        "OrdersDown",
        # One label set whether the job is down or gone; `or absent()` would make two alerts.
        f"(sum({series(UP, equal(JOB, ORDERS))}) or vector(0)) < 1",
        hold=minutes(2),
        severity=PAGE,
        service=ORDERS,
        labels={JOB: ORDERS},
        summary="orders: no instance is up",
        description="Prometheus has reached no instance of orders for 2 minutes. Customers cannot"
        " place or read orders.",
        dashboard="home",
    )


def _workers_missing() -> Alert:
    return threshold(
        "WorkersMissing",
        f"(sum({series(UP, equal(JOB, ORDERS_WORKER))}) or vector(0)) < 1",
        hold=minutes(2),
        severity=PAGE,
        service=ORDERS_WORKER,
        labels={JOB: ORDERS_WORKER},
        summary="orders-worker: no instance is up",
        description="Prometheus has reached no instance of orders-worker for 2 minutes. Orders are"
        " accepted but not fulfilled.",
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
