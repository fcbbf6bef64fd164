"""The OTLP receiver: what it accepts and what it refuses."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from tests.consoles import Running, ask

PROTOBUF = "application/x-protobuf"
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"


def trace_document(trace_id: str = TRACE_ID, span_id: str = SPAN_ID) -> bytes:
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "GET /things",
        "kind": 2,
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": str(time.time_ns() + 5_000_000),
        "attributes": [
            {"key": "http.response.status_code", "value": {"intValue": "200"}},
            {"key": "tags", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
            {
                "key": "nested",
                "value": {"kvlistValue": {"values": [{"key": "ok", "value": {"boolValue": True}}]}},
            },
        ],
        "somethingNew": {"ignored": 1},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps(
        {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    ).encode()


def post(console: Running, body: bytes, path: str = "/v1/traces", **headers: str):
    headers.setdefault("Content_Type", "application/json")
    return ask(f"{console.otlp}{path}", body, "POST", **headers)


def test_spans_of_the_sdk_exporter_are_queryable_as_soon_as_the_exporter_returns(
    console: Running, order_trace: Callable[..., str]
) -> None:
    trace = console.json(f"/api/traces/{order_trace(time.time_ns())}")
    assert [span["name"] for span in trace["spans"]] == [
        "POST /v1/orders",
        "INSERT orders",
        "send orders",
        "process orders",
        "POST",
        "POST /charges",
    ]
    assert trace["services"] == ["orders", "orders-relay", "orders-worker", "payment-provider"]


def test_json_is_accepted_with_hex_ids_and_every_type_of_value(console: Running) -> None:
    assert post(console, trace_document()).status == 200
    (span,) = console.json(f"/api/traces/{TRACE_ID}")["spans"]
    assert span["span_id"] == SPAN_ID
    assert span["kind"] == "server"
    assert span["attributes"] == {
        "http.response.status_code": 200,
        "tags": ["a"],
        "nested": {"ok": True},
    }


def test_gzip_is_accepted(console: Running) -> None:
    body = gzip.compress(trace_document())
    assert post(console, body, Content_Encoding="gzip").status == 200
    assert console.get(f"/api/traces/{TRACE_ID}").status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"resourceSpans": 7}', {}, 400),
        (trace_document(trace_id="xyz"), {}, 400),
        (trace_document(trace_id="00"), {}, 400),
        (b"\xff\xff\xff", {"Content_Type": PROTOBUF}, 400),
        (gzip.compress(trace_document())[:-20], {"Content_Encoding": "gzip"}, 400),
        (trace_document(), {"Content_Encoding": "gzip"}, 400),
        (trace_document(), {"Content_Encoding": "br"}, 400),
        (gzip.compress(b" " * 40_000_000), {"Content_Encoding": "gzip"}, 413),
        (trace_document(), {"Content_Type": "text/plain"}, 415),
    ],
)
def test_a_malformed_body_is_refused_with_a_reason_and_stores_nothing(
    console: Running, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = post(console, body, **headers)
    assert answer.status == status
    assert answer.json["message"]
    assert console.json("/api/store")["rows"]["spans"] == 0


def test_a_bad_body_is_counted(console: Running) -> None:
    post(console, b"{")
    name = 'telemetry_store_requests_rejected_total{reason="bad_request"}'
    assert console.metrics()[name] == 1


def test_an_unknown_path_and_a_wrong_method_are_refused(console: Running) -> None:
    assert post(console, b"{}", "/v1/profiles").status == 404
    assert ask(f"{console.otlp}/v1/traces").status == 405
    assert ask(f"{console.otlp}/livez").body == b"ok"


def test_metrics_are_not_stored_and_the_answer_explains_why(console: Running) -> None:
    answer = post(console, b"", "/v1/metrics", Content_Type=PROTOBUF)
    assert answer.status == 200
    message = ExportMetricsServiceResponse.FromString(answer.body)
    assert "scraped" in message.partial_success.error_message
    as_json = post(console, b"{}", "/v1/metrics")
    assert "scraped" in as_json.json["partialSuccess"]["errorMessage"]


def test_a_span_that_is_sent_twice_is_stored_and_counted_once(console: Running) -> None:
    body = trace_document()
    for _ in range(3):
        assert post(console, body).status == 200
    assert len(console.json(f"/api/traces/{TRACE_ID}")["spans"]) == 1
    assert console.metrics()['telemetry_store_spans_accepted_total{service="shop"}'] == 1


def test_concurrent_senders_lose_nothing(console: Running) -> None:
    statuses = []

    def send(sender: int) -> None:
        for number in range(20):
            body = trace_document(span_id=f"{sender:08x}{number + 1:08x}")
            statuses.append(post(console, body).status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 160
    assert len(console.json(f"/api/traces/{TRACE_ID}")["spans"]) == 160


def test_acknowledged_data_survives_a_restart(
    start_console: Callable[..., Running],
) -> None:
    first = start_console()
    post(first, trace_document())
    first.console.close()
    second = start_console()
    assert second.get(f"/api/traces/{TRACE_ID}").status == 200
    assert second.metrics()['telemetry_store_spans_accepted_total{service="shop"}'] == 0
