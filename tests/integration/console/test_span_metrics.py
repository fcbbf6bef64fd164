"""Spans counted under the names of Tempo's metrics generator."""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.trace import SpanKind
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.consoles import MS, Running, Service, ask

SERVER = 'service="orders",span_kind="SPAN_KIND_SERVER",span_name="POST /v1/orders"'


def edge(name: str, client: str, server: str, connection: str) -> str:
    labels = f'client="{client}",connection_type="{connection}",server="{server}"'
    return f"traces_service_graph_request_{name}{{{labels}}}"


def test_calls_latency_and_errors_are_counted_per_operation(
    console: Running, order_trace: Callable[..., str]
) -> None:
    for error in ("", "", "Broken"):
        order_trace(time.time_ns(), error=error)
    metrics = console.metrics()
    unset = 'status_code="STATUS_CODE_UNSET"'
    assert metrics[f"traces_spanmetrics_calls_total{{{SERVER},{unset}}}"] == 3
    worker = (
        'service="orders-worker",span_kind="SPAN_KIND_CONSUMER",span_name="process orders",'
        'status_code="STATUS_CODE_ERROR"'
    )
    assert metrics[f"traces_spanmetrics_calls_total{{{worker}}}"] == 1
    for bound, count in (("0.016", 0), ("0.032", 3), ("+Inf", 3)):
        labels = f'le="{bound}",{SERVER},{unset}'
        assert metrics[f"traces_spanmetrics_latency_bucket{{{labels}}}"] == count


def test_the_service_graph_has_calls_messages_databases_and_entry_requests(
    console: Running, order_trace: Callable[..., str]
) -> None:
    for _ in range(4):
        order_trace(time.time_ns())
    metrics = console.metrics()
    assert metrics[edge("total", "user", "orders", "virtual_node")] == 4
    assert metrics[edge("total", "orders-relay", "orders-worker", "messaging_system")] == 4
    assert metrics[edge("total", "orders", "postgres", "database")] == 4
    assert metrics[edge("total", "orders-worker", "payment-provider", "")] == 4
    waited = edge(
        "messaging_system_seconds_sum", "orders-relay", "orders-worker", "messaging_system"
    )
    assert abs(metrics[waited] - 4 * 0.3) < 1e-6


def test_an_edge_failed_when_either_side_did(
    console: Running, order_trace: Callable[..., str]
) -> None:
    order_trace(time.time_ns(), error="Broken")
    failed = edge("failed_total", "orders-relay", "orders-worker", "messaging_system")
    assert console.metrics()[failed] == 1


def test_a_database_at_loopback_is_named_after_its_system(
    console: Running, service: Callable[[str], Service]
) -> None:
    attributes = {"db__system__name": "redis", "server__address": "127.0.0.1"}
    service("orders").span("GET", SpanKind.CLIENT, start=time.time_ns(), took=MS, **attributes)
    service("orders").flush()
    assert console.metrics()[edge("total", "orders", "redis", "database")] == 1


def test_openmetrics_has_exemplars_with_trace_ids(
    console: Running, order_trace: Callable[..., str]
) -> None:
    trace_id = order_trace(time.time_ns())
    answer = ask(f"{console.pages}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = {one.name: one for one in text_string_to_metric_families(answer.body.decode())}
    exemplars = [
        sample.exemplar
        for sample in families["traces_spanmetrics_latency"].samples
        if sample.exemplar
    ]
    assert {exemplar.labels["trace_id"] for exemplar in exemplars} == {trace_id}


def test_the_number_of_series_is_bounded(
    console: Running, service: Callable[[str], Service]
) -> None:
    for number in range(2_500):
        service("shop").span(f"GET /things/{number}", start=time.time_ns(), took=MS)
        if number % 1_000 == 0:
            service("shop").flush()
    service("shop").flush()
    calls = {name: n for name, n in console.metrics().items() if "calls_total" in name}
    assert len(calls) <= 2_001
    assert sum(calls.values()) == 2_500
    assert any("_OTHER" in name for name in calls)
