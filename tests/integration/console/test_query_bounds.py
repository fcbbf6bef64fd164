"""Patterns in linear time, a deadline for every query, and searches that look at every row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.store.model import LogLine, Span
from local.store.queries import deadline
from tests.consoles import MS, Running, running_console

HOUR_NS = 3600 * 10**9
RESOURCE = {"service.name": "orders", "service.namespace": "sightline"}
NOW = time.time_ns()


def span(number: int, at_ns: int, /, **attributes: Any) -> Span:
    names = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span(
        *(f"{number:032x}", f"{number:016x}", "", "orders", "GET /v1/orders", 2),
        *(at_ns, 3 * MS, 0, "", names, RESOURCE),
    )


def line(at_ns: int, body: str, trace_id: str = "", /, **attributes: Any) -> LogLine:
    names = {key.replace("__", "."): value for key, value in attributes.items()}
    return LogLine(at_ns, "orders", 9, "INFO", body, trace_id, "", names, RESOURCE)


def test_a_pattern_that_backtracking_never_ends_is_answered_at_once(console: Running) -> None:
    console.console.store.put_lines([line(NOW, "a" * 5000), line(NOW, "b" * 60_000)])
    console.console.store.put_spans([span(1, NOW, text="a" * 5000)])
    began = time.monotonic()
    for pattern in ("((((.+)+)+)+)+Z", "(a*)*Z", "(a|a?)+Z", "(x+x+)+y"):
        for query in (f'{{service_name=~".+"}} |~ `{pattern}`', f"{{service_name=~`{pattern}`}}"):
            found = console.json("/loki/api/v1/query_range", query=query)
            assert found["data"]["result"] == []
        assert (
            console.json("/tempo/api/search", q=f"{{ span.text =~ `{pattern}` }}")["traces"] == []
        )
    for stages in ("| logfmt", "| json", "|= `%b%b%b%b%b%b%b%b%b%b%b%b_%c`"):
        query = f'{{service_name=~".+"}} {stages} | a="b"'
        found = console.json("/loki/api/v1/query_range", query=query)
        assert found["data"]["result"] == []
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)b", "RE2 has no look-ahead"),
        ("a(?!b)", "RE2 has no look-ahead"),
        ("(?<=a)b", "RE2 has no look-behind"),
        (r"(a)\1", "RE2 has no back-references"),
        ("(?P<x>a)(?P=x)", "RE2 has no back-references"),
        ("x{1000}{1000}", "repetition"),
        ("(", "missing )"),
        (r"(?:\pL{50}){20}", "too large"),
        ("a" * 2001, "at most 2000 characters"),
    ],
)
def test_what_re2_does_not_know_is_refused_and_named(
    console: Running, pattern: str, reason: str
) -> None:
    for path, params in (
        ("/loki/api/v1/query_range", {"query": f'{{a="b"}} |~ `{pattern}`'}),
        ("/loki/api/v1/query_range", {"query": f"{{a=~`{pattern}`}}"}),
        ("/tempo/api/search", {"q": f"{{ span.a !~ `{pattern}` }}"}),
    ):
        answer = console.get(path, **params)
        assert (answer.status, reason in answer.json["error"]) == (400, True), answer.json


QUERIES = (
    ("/loki/api/v1/query_range", {"query": '{service_name=~".+"} |~ "[a-z]{9}"'}),
    ("/loki/api/v1/query_range", {"query": 'sum(count_over_time({service_name=~".+"}[5m]))'}),
    ("/tempo/api/search", {"q": "{ span.number > 1e9 }".replace("1e9", "1000000000")}),
    ("/api/traces", {"attr": "absent"}),
    ("/api/logs", {"attr": "number=absent"}),
    ("/api/logs/volume", {"from": "now-1h", "to": "now"}),
)


@pytest.mark.parametrize(("path", "params"), QUERIES)
def test_a_query_beyond_its_deadline_says_so(
    console: Running, monkeypatch: pytest.MonkeyPatch, path: str, params: dict[str, str]
) -> None:
    store = console.console.store
    store.put_spans([span(number, NOW - number, number=number) for number in range(1, 3000)])
    store.put_lines([line(NOW - number, "x", number=number) for number in range(3000)])
    monkeypatch.setattr(deadline, "QUERY_SECONDS", 0.0)
    answer = console.get(path, **params)
    assert (answer.status, "stopped after 0 s" in answer.json["error"]) == (400, True)
    # The next query has its own time.
    monkeypatch.setattr(deadline, "QUERY_SECONDS", 60.0)
    assert console.get(path, **params).status == 200


@pytest.mark.slow
def test_a_query_that_takes_long_does_not_keep_others_waiting(
    console: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RE2 lets other threads run while it searches one long line, and each line has a deadline."""
    monkeypatch.setattr(deadline, "QUERY_SECONDS", 0.0)
    console.console.store.put_lines([line(NOW - number, "a" * 20_000) for number in range(2000)])
    query = '{service_name=~".+"} |~ `(?:a?){900}a{900}b`'
    answers: list[int] = []

    def ask() -> None:
        answers.append(console.get("/loki/api/v1/query_range", query=query).status)

    thread = threading.Thread(target=ask)
    thread.start()
    # Flask's own answer: it reads nothing, and so has no deadline.
    while thread.is_alive():
        assert console.get("/livez").status == 200
    assert answers == [400]


@pytest.fixture(scope="module")
def old_order(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Store an order of 40 hours ago, and behind it more rows than a search may read and sort."""
    state: Path = tmp_path_factory.mktemp("state")
    with running_console(state, {"ORDERS_STORE_MAX_MB": "4096"}) as console:
        store, old = console.console.store, NOW - 40 * HOUR_NS
        trace = f"{7:032x}"
        store.put_spans([span(7, old, order__id="0ff1ce", customer__id="c-1"), span(8, old)])
        store.put_spans([span(9, old, http__response__status_code=503, tags=["blue", "green"])])
        store.put_lines([line(old, "order placed for 0ff1ce", trace, order__id="0ff1ce")])
        store.put_lines([line(old, "traces and logs go to http://127.0.0.1:4318")])
        for first in range(0, 25_000, 5_000):
            numbers = range(first, first + 5_000)
            store.put_spans(
                [span(100 + one, NOW - one * MS, order__id=f"id-{one}") for one in numbers]
            )
        for first in range(0, 205_000, 5_000):
            store.put_lines(
                [line(NOW - one * MS, "GET 200") for one in range(first, first + 5_000)]
            )
        yield console


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        '{ span.order.id = "0ff1ce" }',
        '{ span.order.id =~ "0ff1ce.*" } with (most_recent=true)',
        '{ span.order.id =~ "(0ff1ce|other)" }',
        '{ .order.id = "0ff1ce" && kind = server }',
        '{ span.customer.id =~ "c-1" || span.order.id = "x" }',
    ],
)
def test_traceql_finds_a_span_of_any_age(old_order: Running, query: str) -> None:
    start = (NOW - 48 * HOUR_NS) // 10**9
    found = old_order.json("/tempo/api/search", q=query, start=start)["traces"]
    assert [one["traceID"] for one in found] == [f"{7:032x}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("{ span.http.response.status_code >= 400 }", 9),
        ("{ span.http.response.status_code = 503 || status = error }", 9),
        ('{ span.tags = "green" }', 9),
        (f'{{ trace:id = "{8:032x}" }}', 8),
    ],
)
def test_traceql_finds_a_rare_span_of_any_age(old_order: Running, query: str, number: int) -> None:
    start = (NOW - 48 * HOUR_NS) // 10**9
    found = old_order.json("/tempo/api/search", q=query, start=start)["traces"]
    assert [one["traceID"] for one in found] == [f"{number:032x}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "body"),
    [
        ('{service_name=~".+"} | order_id=~"0ff1ce.*" | trace_id=~"0*.*"', "order placed"),
        ('{service_name=~".+"} | order_id=~".*" | trace_id=~"0*7.*"', "order placed"),
        ('{service_name=~".+"} | trace_id="' + f"{7:032x}" + '"', "order placed"),
        ('{service_name=~".+"} |= "traces and logs go to"', "traces and logs"),
        ('{service_name=~".+"} |~ "traces and .* go to"', "traces and logs"),
    ],
)
def test_logql_finds_a_line_of_any_age(old_order: Running, query: str, body: str) -> None:
    start = (NOW - 48 * HOUR_NS) // 10**9
    streams = old_order.json("/loki/api/v1/query_range", query=query, start=start)
    lines = [value[1] for one in streams["data"]["result"] for value in one["values"]]
    assert [one.startswith(body) for one in lines] == [True]


@pytest.mark.slow
def test_the_pages_find_an_order_of_any_age(old_order: Running) -> None:
    (trace,) = old_order.json("/api/traces", attr="order.id=0ff1ce")["traces"]
    assert trace["trace_id"] == f"{7:032x}"
    for params in ({"attr": "order.id=0ff1ce"}, {"text": "PLACED for 0ff"}):
        (found,) = old_order.json("/api/logs", **params)["lines"]
        assert found["trace_id"] == f"{7:032x}"


@pytest.mark.slow
def test_a_trace_with_many_spans_hides_no_other(
    console: Running, order_trace: Callable[..., str]
) -> None:
    """A search once read 20,000 spans, whatever traces they were of."""
    trace_id = order_trace(NOW - HOUR_NS)
    many = [
        Span(f"{1:032x}", f"{one:016x}", "", "orders", "x", 1, NOW, 1, 0, "", {"a": 1}, RESOURCE)
        for one in range(20_010)
    ]
    console.console.store.put_spans(many)
    found = console.json("/api/traces", limit=2, service="orders")["traces"]
    assert [one["trace_id"] for one in found] == [f"{1:032x}", trace_id]
    found = console.json("/tempo/api/search", limit=2, q="{}", start=0)["traces"]
    assert [one["traceID"] for one in found] == [f"{1:032x}", trace_id]
