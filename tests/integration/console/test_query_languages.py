"""The parts of LogQL and TraceQL that dashboards use, on the local store."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber

from tests.consoles import MS, Running, Service


@pytest.fixture
def lines(service: Callable[[str], Service]) -> None:
    now = time.time_ns()
    for name, body, level in (
        ("orders", "GET /v1/orders 200", SeverityNumber.INFO),
        ("orders", "database is slow", SeverityNumber.WARN),
        ("orders-worker", "task failed: 503", SeverityNumber.ERROR),
    ):
        span = service(name).span("work", start=now, took=MS)
        service(name).line(body, level, now, span if level is SeverityNumber.ERROR else None)
        service(name).flush()


def found(console: Running, query: str) -> list[str]:
    streams = console.json("/loki/api/v1/query_range", query=query)["data"]["result"]
    return sorted(value[1] for stream in streams for value in stream["values"])


GET, SLOW, FAILED = "GET /v1/orders 200", "database is slow", "task failed: 503"


@pytest.mark.parametrize(
    ("query", "bodies"),
    [
        ('{service_name="orders"}', [GET, SLOW]),
        ('{service_name=~".+"}', [GET, SLOW, FAILED]),
        ('{service_name=~"orders"}', [GET, SLOW]),
        ('{service_name!="orders", service_namespace="sightline"}', [FAILED]),
        ('{service_name=~".+"} |= "slow"', [SLOW]),
        ('{service_name=~".+"} != "slow" |~ "[0-9]{3}$"', [GET, FAILED]),
        ('{service_name=~".+"} !~ "^task"', [GET, SLOW]),
        ("{service_name=~`.+`} | json | detected_level=`error`", [FAILED]),
        ('{service_name=~".+"} | severity_text="WARN" or detected_level="error"', [SLOW, FAILED]),
        ('{service_name=~".+"} | trace_id=~".+" and detected_level!="info"', [FAILED]),
        ('{service_name="unknown"}', []),
    ],
)
def test_logql_finds_the_lines_that_loki_finds(
    console: Running, lines: None, query: str, bodies: list[str]
) -> None:
    assert found(console, query) == sorted(bodies)


def test_counts_by_label_add_up(console: Running, lines: None) -> None:
    query = "sum by (service_name) (count_over_time({service_name=~`.+`}[5m]))"
    answer = console.json("/loki/api/v1/query", query=query)["data"]
    assert answer["resultType"] == "vector"
    counts = {one["metric"]["service_name"]: one["value"][1] for one in answer["result"]}
    assert counts == {"orders": "2", "orders-worker": "1"}
    rate = console.json("/loki/api/v1/query", query="sum(rate({service_name=~`.+`}[60s]))")
    assert rate["data"]["result"][0]["value"][1] == "0.05"


@pytest.mark.parametrize(
    ("path", "params", "word"),
    [
        ("/loki/api/v1/query_range", {"query": "{"}, "LogQL"),
        ("/loki/api/v1/query_range", {"query": "{}"}, "at least one label"),
        ("/loki/api/v1/query_range", {"query": '{a="b"} | line_format "x"'}, "line_format"),
        ("/loki/api/v1/query_range", {"query": "topk(3, x)"}, "topk"),
        ("/loki/api/v1/query_range", {"query": '{a=~"("}'}, "regular expression"),
        ("/loki/api/v1/query_range", {"query": '{a="b"}', "limit": "0"}, "limit"),
        ("/tempo/api/search", {"q": "{} >> {}"}, "one set of conditions"),
        ("/tempo/api/search", {"q": "{ parent.name = `x` }"}, "parent.name"),
        ("/tempo/api/search", {"q": "{} | count() > 3"}, "expected 'select'"),
        ("/tempo/api/search", {"q": "{ name > `x` }"}, "'>'"),
    ],
)
def test_an_unsupported_query_is_refused_with_the_reason(
    console: Running, path: str, params: dict[str, str], word: str
) -> None:
    answer = console.get(path, **params)
    assert answer.status == 400
    assert word in answer.json["error"]


@pytest.mark.parametrize(
    ("query", "orders"),
    [
        ("{}", ["bad", "good"]),
        ('{ span.order.id = "good" }', ["good"]),
        ('{ span.order.id =~ ".+" && status = error }', ["bad"]),
        ('{ resource.service.name = "orders" && duration > 500ms }', ["bad"]),
        ('{ name = "POST /charges" && kind = server }', ["bad", "good"]),
        ("{ kind = consumer && .messaging.system = `x` }", []),
        ("{ duration > 1h || status = error }", ["bad"]),
        (
            '{ (kind = server || status = error) && name =~ "POST /v1.*" && duration < 30ms }',
            ["good"],
        ),
        ('{ statusMessage =~ "Broke.*" }', ["bad"]),
        ("{ status = error } | select(span.order.id, name) with (most_recent=true)", ["bad"]),
        ("{ span.order.id != nil && span:duration >= 20ms }", ["bad", "good"]),
    ],
)
def test_traceql_finds_the_traces_that_tempo_finds(
    console: Running, order_trace: Callable[..., str], query: str, orders: list[str]
) -> None:
    now = time.time_ns() - 10_000 * MS
    names = {
        order_trace(now - 1000 * MS, order_id="good"): "good",
        order_trace(now, took=900 * MS, order_id="bad", error="Broken"): "bad",
    }
    traces = console.json("/tempo/api/search", q=query)["traces"]
    # A trace is as new as the newest span that matched, so the order may be either.
    assert sorted(names[trace["traceID"]] for trace in traces) == orders


def test_traceql_returns_the_selected_attributes_of_as_many_spans_as_asked(
    console: Running, order_trace: Callable[..., str]
) -> None:
    order_trace(time.time_ns() - 5_000 * MS, order_id="o-7")
    query = "{ span.order.id != nil } | select(span.order.id)"
    (found,) = console.json("/tempo/api/search", q=query, spss=1)["traces"]
    (span,) = found["spanSet"]["spans"]
    attributes = {one["key"]: one["value"] for one in span["attributes"]}
    assert attributes["order.id"] == {"stringValue": "o-7"}
    assert found["spanSet"]["matched"] > 1


@pytest.mark.parametrize("rest", ["| select(1)", "| by(name)", "with (newest=true)"])
def test_traceql_refuses_other_pipelines_and_hints(console: Running, rest: str) -> None:
    assert console.get("/tempo/api/search", q="{} " + rest).status == 400


def test_a_trace_by_id_has_the_shape_of_tempo(
    console: Running, order_trace: Callable[..., str]
) -> None:
    trace_id = order_trace(time.time_ns())
    v1: Any = console.json(f"/tempo/api/traces/{trace_id}")["batches"]
    v2: Any = console.json(f"/tempo/api/v2/traces/{trace_id}")["trace"]["resourceSpans"]
    assert v1 == v2
    assert {batch["scopeSpans"][0]["spans"][0]["kind"] for batch in v1} == {
        "SPAN_KIND_SERVER",
        "SPAN_KIND_CLIENT",
        "SPAN_KIND_PRODUCER",
        "SPAN_KIND_CONSUMER",
    }
    assert console.get("/tempo/api/traces/abc").status == 404
