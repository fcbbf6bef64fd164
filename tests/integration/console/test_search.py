"""Finding traces and log lines."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from opentelemetry._logs import SeverityNumber

from tests.consoles import MS, Running, Service


@pytest.fixture
def two_orders(order_trace: Callable[..., str]) -> tuple[str, str]:
    """Send a successful order of ten minutes ago, and a slow one that failed just now."""
    now = time.time_ns()
    good = order_trace(now - 600 * 1000 * MS, order_id="good")
    bad = order_trace(now, took=900 * MS, order_id="bad", error="ProviderUnavailableError")
    return good, bad


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["bad", "good"]),
        ({"service": "orders-worker"}, ["bad", "good"]),
        ({"service": "unknown"}, []),
        ({"operation": "process orders"}, ["bad", "good"]),
        ({"operation": "process"}, []),
        ({"status": "error"}, ["bad"]),
        ({"service": "orders", "status": "error"}, []),
        ({"min_ms": "500"}, ["bad"]),
        ({"service": "orders", "max_ms": "500"}, ["bad", "good"]),
        ({"operation": "POST /v1/orders", "max_ms": "500"}, ["good"]),
        ({"attr": "order.id=good"}, ["good"]),
        ({"attr": ["order.id=good", "order.id=bad"]}, []),
        ({"attr": "db.system.name"}, ["bad", "good"]),
        ({"text": "providerunavailable"}, ["bad"]),
        ({"text": "100%_"}, []),
        ({"from": "now-5m"}, ["bad"]),
        ({"to": "now-5m"}, ["good"]),
        ({"order": "slowest", "operation": "POST /v1/orders"}, ["bad", "good"]),
        ({"limit": "1"}, ["bad"]),
    ],
)
def test_a_trace_is_found_by_the_attributes_of_one_span(
    console: Running, two_orders: tuple[str, str], params: dict[str, str], found: list[str]
) -> None:
    names = dict(zip(two_orders, ("good", "bad"), strict=True))
    traces = console.json("/api/traces", **params)["traces"]
    assert [names[trace["trace_id"]] for trace in traces] == found


def test_a_result_summarizes_the_trace(console: Running, two_orders: tuple[str, str]) -> None:
    trace = console.json("/api/traces", status="error")["traces"][0]
    assert (trace["root_service"], trace["root_name"]) == ("orders", "POST /v1/orders")
    assert (trace["spans"], trace["errors"]) == (6, 1)
    assert trace["duration_ns"] == (900 + 301 + 50) * MS
    assert trace["services"][0] == "orders"


@pytest.mark.parametrize(
    ("path", "params", "named"),
    [
        ("/api/traces", {"min_ms": "fast"}, "min_ms"),
        ("/api/traces", {"status": "broken"}, "status"),
        ("/api/traces", {"limit": "0"}, "limit"),
        ("/api/traces", {"from": "yesterday"}, "from"),
        ("/api/traces", {"colour": "blue"}, "colour"),
        ("/api/traces/xyz", {}, "hex"),
        ("/api/logs", {"level": "loud"}, "level"),
        ("/api/logs", {"trace_id": "'; DROP TABLE logs"}, "hex"),
        ("/api/logs", {"after": "-1"}, "after"),
    ],
)
def test_a_bad_parameter_is_reported_with_status_400(
    console: Running, path: str, params: dict[str, str], named: str
) -> None:
    answer = console.get(path, **params)
    assert answer.status == 400
    assert named in answer.json["error"]


def test_a_short_trace_id_is_padded_and_an_unknown_one_answers_404(console: Running) -> None:
    answer = console.get("/api/traces/abc")
    assert answer.status == 404
    assert "00000000000000000000000000000abc" in answer.json["error"]


def test_the_log_lines_of_a_trace_have_its_id(
    console: Running, two_orders: tuple[str, str]
) -> None:
    lines = console.json("/api/logs", trace_id=two_orders[1])["lines"]
    assert [(line["service"], line["level"], line["body"]) for line in lines] == [
        ("orders-worker", "error", "charge done"),
        ("orders", "info", "order placed"),
    ]
    assert {line["trace_id"] for line in lines} == {two_orders[1]}


@pytest.mark.parametrize(
    ("params", "bodies"),
    [
        ({}, ["d", "c", "b", "A line"]),
        ({"level": "warn"}, ["d", "c"]),
        ({"level": "error"}, ["d"]),
        ({"text": "a LINE"}, ["A line"]),
        ({"service": "other"}, []),
        ({"service": ["other", "shop"]}, ["d", "c", "b", "A line"]),
        ({"limit": "2"}, ["d", "c"]),
    ],
)
def test_lines_are_found_by_level_text_and_service(
    console: Running,
    service: Callable[[str], Service],
    params: dict[str, str],
    bodies: list[str],
) -> None:
    now = time.time_ns()
    levels = (SeverityNumber.DEBUG, SeverityNumber.INFO, SeverityNumber.WARN, SeverityNumber.FATAL)
    for number, (body, level) in enumerate(zip(["A line", "b", "c", "d"], levels, strict=True)):
        service("shop").line(body, level, now + number)
    service("shop").flush()
    lines = console.json("/api/logs", **params)["lines"]
    assert [line["body"] for line in lines] == bodies


def test_a_live_tail_gets_each_new_line_once_and_in_order(
    console: Running, service: Callable[[str], Service]
) -> None:
    seen: list[str] = []
    last = 0
    for number in range(3):
        for part in "ab":
            service("shop").line(f"{number}{part}", SeverityNumber.INFO, time.time_ns())
        service("shop").flush()
        answer = console.json("/api/logs", after=last)
        seen += [line["body"] for line in answer["lines"]]
        last = answer["last_id"]
    assert seen == ["0a", "0b", "1a", "1b", "2a", "2b"]
    assert console.json("/api/logs", after=last) == {"lines": [], "last_id": last}


def test_the_volume_counts_every_line_once(
    console: Running, service: Callable[[str], Service]
) -> None:
    now = time.time()
    for number in range(30):
        level = SeverityNumber.ERROR if number % 3 == 0 else SeverityNumber.INFO
        service("shop").line("x", level, int((now - number * 10) * 1e9))
    service("shop").flush()
    counted = console.json("/api/logs/volume", **{"from": now - 600, "to": now + 1, "steps": 20})
    by_level = {"info": 0, "error": 0}
    for step in counted["volume"]:
        by_level[step["level"]] += step["count"]
    assert by_level == {"info": 20, "error": 10}


def test_services_and_operations_are_listed(console: Running, two_orders: tuple[str, str]) -> None:
    assert console.json("/api/services")["services"] == [
        "orders",
        "orders-relay",
        "orders-worker",
        "payment-provider",
    ]
    operations = console.json("/api/operations", service="orders-worker")["operations"]
    assert operations == ["POST", "process orders"]
