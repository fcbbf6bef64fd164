"""Types, arrays and absent attributes in TraceQL; labels, parsers and escapes in LogQL."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from local.store.model import LogLine, Span
from tests.consoles import MS, Running, running_console

NOW = time.time_ns()
RESOURCE = {"service.name": "orders", "region": "north"}
# Name of a span: its attributes.
SPANS = {
    "texts": {"value": "5", "flag": "true", "both": "span", "kind": "error"},
    "whole": {"value": 5, "flag": True},
    "broken": {"value": 5.5, "flag": False},
    "array": {"value": ["5", "6"], "sizes": [1, 2, 3], "order.id": ["a-1", "a-2"]},
    "many": {f"thing{number}.id": f"x-{number}" for number in range(20)},
}
LINES = {
    '{"status": 503, "user": {"name": "Ada"}, "list": [1]}': {"order.id": "o-1", "status": "9"},
    'level=warn msg="two words" status=404': {"status": "200", "order.id": "o-2"},
    "plain text with a \\ and a \"": {"took": "slow"},
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_console(tmp_path_factory.mktemp("state"), {}) as console:
        store = console.console.store
        for number, (name, attributes) in enumerate(SPANS.items()):
            event = {"name": f"event of {name}", "time_ns": NOW, "attributes": {"reason": name}}
            store.put_spans(
                [
                    Span(
                        *(f"{number + 1:032x}", f"{number + 1:016x}", "", "orders", name, 2),
                        *(NOW, 5 * MS, 0, "", attributes, RESOURCE, [event]),
                    )
                ]
            )
        for number, (body, attributes) in enumerate(LINES.items()):
            line = LogLine(NOW - number, "orders", 9, "", body, "", "", attributes, RESOURCE)
            store.put_lines([line])
        yield console


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ('span.value = "5"', {"texts", "array"}),
        ("span.value = 5", {"whole"}),
        ("span.value = 5.0", {"whole"}),
        ("span.value > 5", {"broken"}),
        ("span.value >= 5", {"whole", "broken"}),
        ("span.value < 1ms", {"whole", "broken"}),
        ("span.value != 5", {"broken"}),
        ('span.value != "5"', set()),
        ('span.value != "7"', {"texts", "array"}),
        ('span.value !~ "5"', set()),
        ('span.value =~ "[0-9]"', {"texts", "array"}),
        ('span.value =~ "6"', {"array"}),
        ("span.sizes = 2", {"array"}),
        ("span.sizes > 2", {"array"}),
        ("span.sizes != 2", set()),
        ("span.sizes != 9", {"array"}),
        ("span.flag = true", {"whole"}),
        ("span.flag != true", {"broken"}),
        ('span.flag = "true"', {"texts"}),
        ("span.flag = 1", set()),
        ("span.sizes = nil", {"texts", "whole", "broken", "many"}),
        ("span.sizes != nil", {"array"}),
        ("name = nil", set()),
        ('.both = "span"', {"texts"}),
        ('.region = "north" && .both = "span"', {"texts"}),
        ('resource.region = "south"', set()),
        ('span.region = "north"', set()),
        ('event:name = "event of many"', {"many"}),
        ('event.reason =~ "(many|whole)"', {"many", "whole"}),
        ('span.order.id = "a-2"', {"array"}),
        ('span.order.id =~ "a-.*"', {"array"}),
        ('span.thing19.id = "x-19"', {"many"}),
        ('span.thing1.id =~ "x-1.*" && span.thing18.id =~ "x-1.*"', {"many"}),
        ("duration = 5ms && kind = server && status = unset && name = `array`", {"array"}),
        (f'trace:id = "{1:032x}"', {"texts"}),
        (f'span:id = "{2:016x}" || span:name = "many"', {"whole", "many"}),
        ('span.both = "a\\"b" || name = "\\x6dany"', {"many"}),
    ],
)
def test_traceql_compares_types_as_tempo_does(
    filled: Running, condition: str, names: set[str]
) -> None:
    found = filled.json("/tempo/api/search", q=f"{{ {condition} }}")["traces"]
    assert {one["rootTraceName"] for one in found} == names


def test_a_selected_attribute_that_a_span_lacks_is_left_out(filled: Running) -> None:
    query = "{ name = `array` } | select(span.sizes, span.absent, event:name)"
    (trace,) = filled.json("/tempo/api/search", q=query)["traces"]
    (span,) = trace["spanSet"]["spans"]
    names = [one["key"] for one in span["attributes"]]
    assert names == ["service.name", "sizes", "event:name"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("{ span.a = b }", "'b'"),
        ("{ span.a = error }", "error"),
        ('{ status = "error" }', '"error"'),
        ("{ kind = error }", "error"),
        ("{ name = 5 }", "5"),
        ('{ duration > "5ms" }', '"5ms"'),
        ('{ status =~ "e.*" }', "status"),
        ("{ span.a =~ 5 }", "'=~'"),
        ('{ span.a > "x" }', "'>'"),
        ("{ span.a > nil }", "'>'"),
        ("{ span.a = true && !(span.b = 1) }", "'!'"),
        ("{ link.a = 1 }", "'link.a'"),
        ("{ rootName = `x` }", "'rootName'"),
        ("{ span.a }", "'}'"),
        ("{ 1 = span.a }", "'1'"),
        ("{ span.a + 1 = 2 }", "' + 1"),
        ("{} && {}", "'&&'"),
        ("{} | rate()", "'rate'"),
        ('{ span.a = "\\d" }', "\\d"),
        ("{ " + "(" * 30 + "name = `x`" + ")" * 30 + " }", "deep brackets"),
        ("{ " + " || ".join(["name = `x`"] * 101) + " }", "many conditions"),
        ("{ name = `" + "x" * 9000 + "` }", "8000 characters"),
    ],
)
def test_traceql_refuses_the_rest_and_names_it(filled: Running, query: str, named: str) -> None:
    answer = filled.get("/tempo/api/search", q=query)
    assert answer.status == 400
    assert named in answer.json["error"]


JSON, LOGFMT, PLAIN = LINES


@pytest.mark.parametrize(
    ("stages", "bodies"),
    [
        ('|= "a \\\\ and"', {PLAIN}),
        ("|= `a \\ and a \"`", {PLAIN}),
        ('| order_id="o-1"', {JSON}),
        ('| order_id=~"o-[0-9]"', {JSON, LOGFMT}),
        ('| order_id=""', {PLAIN}),
        ('| order_id!="o-1"', {LOGFMT, PLAIN}),
        ('| json | user_name="Ada"', {JSON}),
        ('| json | status_extracted="503"', {JSON}),
        ('| json | __error__="JSONParserErr"', {LOGFMT, PLAIN}),
        ('| logfmt | msg="two words"', {LOGFMT}),
        ("| status >= 100", {LOGFMT}),
        ("| status = 9", {JSON}),
        ("| status == 200 or status < 10", {JSON, LOGFMT}),
        ('| took > 5 | __error__="LabelFilterErr"', {PLAIN}),
        ('| drop order_id | order_id="o-1"', set()),
        ('| keep status | status="9" | service_name=""', {JSON}),
        ('| region="north" | (status="9" or (took="slow" and order_id=""))', {JSON, PLAIN}),
    ],
)  # fmt: skip
def test_logql_filters_as_loki_does(filled: Running, stages: str, bodies: set[str]) -> None:
    query = f'{{service_name="orders"}} {stages}'
    streams = filled.json("/loki/api/v1/query_range", query=query)["data"]["result"]
    assert {value[1] for one in streams for value in one["values"]} == bodies


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ('{service_name!="orders"}', "may not be empty"),
        ('{service_name=~".*"}', "may not be empty"),
        ('{a="b"} |= "\\d+"', "\\d"),
        ('{a="b"} |= "x" or "y"', "'or'"),
        ('{a="b"} | took > 5s', "'5s'"),
        ('{a="b"} | took > "5"', "'>'"),
        ('{a="b"} | took =~ 5', "'=~'"),
        ('{a="b"} | json a="b"', "'a'"),
        ('{a="b"} | drop a="b"', "'='"),
        ('{a="b"} | pattern "<x>"', "'pattern'"),
        ('{a="b"} | unwrap took', "'unwrap'"),
        ('rate({a="b"}[5m] offset 1h)', "'offset'"),
        ('sum without (a) (rate({a="b"}[5m]))', "'without'"),
        ('sum(rate({a="b"}[5m])) > 1', "'>'"),
        ('rate({a="b"}[0s])', "longer than 0"),
        ('rate({a="b"}[400000h][5m])', "'['"),
        ('rate({a="b"}[3000000h])', "292 years"),
        ('{a="b"} | ' + "(" * 30 + 'a="b"' + ")" * 30, "deep brackets"),
        ('{a="b"}' + ' |= "x"' * 101, "many conditions"),
    ],
)
def test_logql_refuses_the_rest_and_names_it(filled: Running, query: str, named: str) -> None:
    answer = filled.get("/loki/api/v1/query_range", query=query)
    assert answer.status == 400
    assert named in answer.json["error"], answer.json


def test_counts_have_a_limit_of_series_and_samples(filled: Running) -> None:
    query = "sum by (order_id) (count_over_time({service_name=~`.+`}[5m]))"
    now = NOW / 1e9
    counted = filled.json(
        "/loki/api/v1/query_range", query=query, start=now - 600, end=now + 600, step=60
    )["data"]["result"]
    # A line counts in each window of 5 minutes that holds it: of the 21 steps, in five.
    assert sorted(len(one["values"]) for one in counted) == [5, 5, 5]
    answer = filled.get("/loki/api/v1/query_range", query=query, start=now - 11000, end=now, step=1)
    assert answer.status == 200
    store = filled.console.store
    store.put_lines(
        [
            LogLine(NOW, "other", 9, "", "x", "", "", {"number": number}, RESOURCE)
            for number in range(600)
        ]
    )
    for step, word in ((60, "500 series"), (1, "200000 samples")):
        query = "sum by (number) (count_over_time({service_name=`other`}[5m]))"
        answer = filled.get(
            "/loki/api/v1/query_range", query=query, start=now - 10000, end=now + 100, step=step
        )
        assert (answer.status, word in answer.json["error"]) == (400, True), answer.json
