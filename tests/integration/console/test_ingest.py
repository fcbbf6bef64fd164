"""What a request may contain: each item is stored or refused on its own, and limits hold."""

from __future__ import annotations

import gzip
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.consoles import Answer, Running, ask, running_console

PROTOBUF = "application/x-protobuf"
MARK = "TRACE"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One console for all tests; each test writes into a trace of its own."""
    with running_console(tmp_path_factory.mktemp("state"), {}) as console:
        yield console


@dataclass
class Sender:
    """A client whose spans and lines belong to one trace."""

    console: Running
    trace_id: str

    def post(self, path: str, body: bytes | dict[str, Any], **headers: str) -> Answer:
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers.setdefault("Content_Type", "application/json")
        headers.setdefault("Content_Type", PROTOBUF)
        body = body.replace(MARK.encode(), self.trace_id.encode())
        return ask(f"{self.console.otlp}{path}", body, "POST", **headers)

    def traces(self, body: bytes | dict[str, Any], **headers: str) -> Answer:
        return self.post("/v1/traces", body, **headers)

    def logs(self, body: bytes | dict[str, Any], **headers: str) -> Answer:
        return self.post("/v1/logs", body, **headers)

    def binary(self, number: int, name: bytes = b"span", more: bytes = b"") -> bytes:
        """A span in protobuf."""
        return field(1, bytes.fromhex(self.trace_id)) + unidentified(number, name) + more

    def record(self, content: bytes) -> bytes:
        """A log record in protobuf."""
        return content + field(9, bytes.fromhex(self.trace_id))

    def spans(self) -> list[dict[str, Any]]:
        return self.console.json(f"/api/traces/{self.trace_id}")["spans"]

    def names(self) -> list[str]:
        return sorted(one["name"] for one in self.spans())

    def lines(self, **params: str) -> list[dict[str, Any]]:
        return self.console.json("/api/logs", trace_id=self.trace_id, **params)["lines"]


@pytest.fixture
def sender(running: Running) -> Sender:
    return Sender(running, secrets.token_hex(16))


def span(number: int, **changes: Any) -> dict[str, Any]:
    now = time.time_ns()
    return {
        "traceId": MARK,
        "spanId": f"{number:016x}",
        "name": f"span {number}",
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1000),
    } | changes


SHOP = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}


def traces(*spans: Any, resource: Any = SHOP, scope: Any = None) -> dict[str, Any]:
    scoped = {"scope": scope or {}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scoped]}]}


def logs(*records: dict[str, Any]) -> dict[str, Any]:
    now = str(time.time_ns())
    timed = [{"traceId": MARK, "timeUnixNano": now} | record for record in records]
    scoped = {"scope": {"name": "lib"}, "logRecords": timed}
    return {"resourceLogs": [{"resource": SHOP, "scopeLogs": [scoped]}]}


def message(*items: bytes) -> bytes:
    """A request with these spans or records, which may be malformed."""
    return field(1, field(2, b"".join(field(2, one) for one in items)))


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(number: int) -> bytes:
    digits = []
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def unidentified(number: int, name: bytes = b"span") -> bytes:
    """A span in protobuf without its trace id."""
    started = b"\x39" + time.time_ns().to_bytes(8, "little")
    return field(2, number.to_bytes(8, "big")) + field(5, name) + started


@pytest.mark.parametrize(
    "bad",
    [
        span(9, traceId="xyz"),
        span(9, traceId="00" * 16),
        span(9, spanId=""),
        span(9, startTimeUnixNano="soon"),
        span(9, startTimeUnixNano=str(2**70)),
        span(9, attributes=7),
        span(9, attributes=[{"key": "a", "value": {"intValue": str(2**63)}}]),
        span(9, attributes=[{"key": "a", "value": {"stringValue": 7}}]),
        7,
        None,
        [],
    ],
)
def test_a_bad_span_in_json_costs_itself_and_is_told(sender: Sender, bad: Any) -> None:
    answer = sender.traces(traces(span(1), bad, span(2)))
    assert answer.status == 200
    partial = answer.json["partialSuccess"]
    assert int(partial["rejectedSpans"]) == 1
    assert partial["errorMessage"]
    assert sender.names() == ["span 1", "span 2"]


@pytest.mark.parametrize(
    "bad",
    [
        field(1, b"short") + unidentified(9),
        field(1, bytes(16)) + unidentified(9),
        field(1, bytes(range(16))) + unidentified(9)[:-3],
        b"\xff\xff\xff",
        b"\x0b",
        field(1, bytes(range(16))),
        field(1, bytes(range(16))) + unidentified(9) + (field(9, b"\x0a\x05a")),
        field(1, bytes(range(16))) + unidentified(9) + (field(9, field(2, b"\x2a" * 400))),
        field(1, bytes(range(16))) + unidentified(9, b"x" * 1_100_000),
    ],
    ids=range(9),
)
def test_a_bad_span_in_protobuf_costs_itself_and_is_told(sender: Sender, bad: bytes) -> None:
    answer = sender.traces(message(sender.binary(1, b"a"), bad, sender.binary(2, b"b")))
    assert answer.status == 200
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message
    assert sender.names() == ["a", "b"]


def test_a_bad_log_record_costs_itself_and_is_told_in_both_forms(sender: Sender) -> None:
    good = {"body": {"stringValue": "good"}}
    answer = sender.logs(logs(good, {"severityNumber": []}, good))
    assert int(answer.json["partialSuccess"]["rejectedLogRecords"]) == 1
    record = sender.record(field(5, field(1, b"good")))
    answer = sender.logs(message(record, b"\xff", record))
    told = ExportLogsServiceResponse.FromString(answer.body).partial_success
    assert told.rejected_log_records == 1
    assert told.error_message
    assert [line["body"] for line in sender.lines()] == ["good"] * 4


def test_a_resource_that_cannot_be_read_costs_only_its_own_spans(sender: Sender) -> None:
    body = traces(span(1))
    body["resourceSpans"] += traces(span(2), span(3), resource={"attributes": 7})["resourceSpans"]
    answer = sender.traces(body)
    assert int(answer.json["partialSuccess"]["rejectedSpans"]) == 2
    assert sender.names() == ["span 1"]


def test_a_request_without_any_good_span_is_refused(sender: Sender) -> None:
    assert sender.traces(traces(span(1, traceId="xyz"))).status == 400
    assert sender.traces(message(b"\xff", b"\xff")).status == 400


def test_full_success_has_no_partial_success(sender: Sender) -> None:
    assert sender.traces(traces(span(1))).body == b"{}"
    assert sender.traces(message(sender.binary(2))).body == b""


@pytest.mark.parametrize(
    ("broken", "repaired"),
    [
        (b"caf\xe9", "caf\ufffd"),
        (b"a\0b", "a\ufffdb"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("Zoë ✓".encode(), "Zoë ✓"),
    ],
)
def test_broken_text_in_protobuf_is_repaired(sender: Sender, broken: bytes, repaired: str) -> None:
    pair = field(9, field(1, broken) + field(2, field(1, broken)))
    assert sender.traces(message(sender.binary(1, broken, more=pair))).body == b""
    (found,) = sender.spans()
    assert found["name"] == repaired
    assert found["attributes"] == {repaired: repaired}
    record = sender.record(field(3, broken) + field(5, field(1, broken)))
    assert sender.logs(message(record)).body == b""
    assert sender.lines()[0]["body"] == repaired


@pytest.mark.parametrize(
    ("broken", "repaired"),
    [
        (b"caf\xe9", "caf\ufffd"),
        (b"\\ud800x", "\ufffdx"),
        (b"a\\u0000b", "a\ufffdb"),
        (b"\\ud83d\\ude00", "\U0001f600"),
    ],
)
def test_broken_text_in_json_is_repaired(sender: Sender, broken: bytes, repaired: str) -> None:
    body = traces(
        span(1, name="NAME", attributes=[{"key": "NAME", "value": {"stringValue": "NAME"}}])
    )
    raw = json.dumps(body).encode().replace(b"NAME", broken)
    assert sender.traces(raw, Content_Type="application/json").body == b"{}"
    (found,) = sender.spans()
    assert found["name"] == repaired
    assert found["attributes"] == {repaired: repaired}


def test_a_client_and_a_server_span_with_one_id_are_both_kept(sender: Sender) -> None:
    """As Zipkin's instrumentation sends them."""
    client = span(1, name="call", kind=3)
    server = span(1, name="answer", kind=2)
    for _ in range(2):
        assert sender.traces(traces(client)).status == 200
        assert sender.traces(traces(server)).status == 200
    assert sender.names() == ["answer", "call"]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("ERROR", "error"),
        ("warning", "warn"),
        ("Critical", "error"),
        ("Information", "info"),
        ("DEBUG2", "debug"),
        (" fatal ", "fatal"),
        ("", "info"),
        ("purple", "info"),
    ],
)
def test_the_severity_comes_from_its_text_where_it_has_no_number(
    sender: Sender, text: str, level: str
) -> None:
    assert sender.logs(logs({"severityText": text})).status == 200
    (line,) = sender.lines()
    assert line["level"] == level
    found = sender.lines(level="error")
    assert bool(found) == (level in ("error", "fatal"))


def test_an_event_without_a_body_shows_its_name(sender: Sender) -> None:
    event = {"eventName": "browser.web_vital", "severityNumber": 9}
    assert sender.logs(logs(event)).status == 200
    (line,) = sender.lines()
    assert line["body"] == line["event_name"] == "browser.web_vital"


def test_scope_link_attributes_and_trace_state_are_kept_and_shown(sender: Sender) -> None:
    link = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "traceState": "vendor=1",
        "attributes": [{"key": "why", "value": {"stringValue": "retry"}}],
    }
    scope = {"name": "my.library", "version": "1.2.3"}
    body = traces(span(1, traceState="a=b", links=[link]), scope=scope)
    assert sender.traces(body).status == 200
    (found,) = sender.spans()
    assert found["scope"] == scope
    assert found["trace_state"] == "a=b"
    assert found["links"] == [
        {
            "trace_id": "ab" * 16,
            "span_id": "cd" * 8,
            "trace_state": "vendor=1",
            "attributes": {"why": "retry"},
        }
    ]
    (batch,) = sender.console.json(f"/tempo/api/traces/{sender.trace_id}")["batches"]
    (scoped,) = batch["scopeSpans"]
    assert scoped["scope"] == scope
    (shown,) = scoped["spans"]
    assert shown["traceState"] == "a=b"
    assert shown["links"][0]["traceState"] == "vendor=1"
    assert shown["links"][0]["attributes"] == link["attributes"]
    assert sender.logs(logs({"body": {"stringValue": "x"}})).status == 200
    assert sender.lines()[0]["scope"] == {"name": "lib", "version": ""}
    query = f'{{service_name="shop"}} | trace_id="{sender.trace_id}"'
    answer = sender.console.json("/loki/api/v1/query_range", query=query)
    assert answer["data"]["result"][0]["stream"]["scope_name"] == "lib"


EMPTY = b"\x0a\x00"
SPAN = field(1, bytes(range(16))) + unidentified(1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (field(1, field(1, EMPTY * 2_000_000) + field(2, field(2, SPAN))), 400),
        (field(1, b"\x12\x00" * 2_000_000), 413),
        (EMPTY * 2_000_000, 413),
        (message(EMPTY * 2_000_000), 400),
        (message(*[SPAN] * 20_001), 413),
        (message(SPAN + b"\x4a\x00" * 200_000), 200),
        (message(SPAN + field(9, field(2, field(5, EMPTY * 450_000)))), 400),
    ],
    ids=["resource", "scopes", "resources", "span", "spans", "attributes", "array"],
)
def test_a_request_beyond_a_limit_is_refused_without_being_parsed(
    sender: Sender, body: bytes, status: int
) -> None:
    answer = sender.traces(gzip.compress(body, 1), Content_Encoding="gzip")
    assert answer.status == status
    assert sender.traces(message(sender.binary(3))).status == 200


@pytest.mark.parametrize(
    "body", [b'{"resourceSpans": [' + b"{}," * 500_000 + b"{}]}", b"[" * 500_000, b" " * 4_200_000]
)
def test_json_beyond_a_limit_is_refused(sender: Sender, body: bytes) -> None:
    answer = sender.traces(body, Content_Type="application/json")
    assert answer.status == 413


def test_what_is_cut_off_from_a_span_is_told_as_a_warning(sender: Sender) -> None:
    pairs = [{"key": f"k{n}", "value": {"intValue": "1"}} for n in range(300)]
    answer = sender.traces(traces(span(1, attributes=pairs)))
    partial = answer.json["partialSuccess"]
    assert int(partial["rejectedSpans"]) == 0
    assert "300 attributes" in partial["errorMessage"]
    (found,) = sender.spans()
    assert len(found["attributes"]) == 256


def test_a_batch_as_large_as_the_collectors_is_stored(sender: Sender) -> None:
    pairs = b"".join(
        field(9, field(1, b"key.%d" % n) + field(2, field(1, b"v" * 20))) for n in range(20)
    )
    body = message(*[sender.binary(number, more=pairs) for number in range(1, 8_193)])
    answer = sender.traces(gzip.compress(body), Content_Encoding="gzip")
    assert (answer.status, answer.body) == (200, b"")
    found = sender.console.json("/api/traces", text="span", limit=500)["traces"]
    assert [one["spans"] for one in found if one["trace_id"] == sender.trace_id] == [8_192]


def test_a_batch_of_as_many_resources_as_spans_is_stored(sender: Sender) -> None:
    """The Collector sends one for each export that it received, as small as that was."""
    resource = field(1, field(1, field(1, b"service.name") + field(2, field(1, b"shop"))))
    groups = [
        field(1, resource + field(2, field(1, b"") + field(2, sender.binary(number))))
        for number in range(1, 8_193)
    ]
    answer = sender.traces(b"".join(groups))
    assert (answer.status, answer.body) == (200, b"")
    assert len(sender.spans()) == 5_000  # as many as the page shows of one trace


def test_data_after_the_end_of_a_gzip_stream_is_refused_not_dropped(sender: Sender) -> None:
    body = gzip.compress(message(sender.binary(1))) + gzip.compress(message(sender.binary(2)))
    assert sender.traces(body, Content_Encoding="gzip").status == 400
