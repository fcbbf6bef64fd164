"""The encoded bytes equal those of opentelemetry-exporter-otlp, for all that a span can hold."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceFlags, TraceState
from opentelemetry.trace import SpanContext as Context

from observability.instrumentation._export import otlp, wire
from observability.instrumentation._export.sdk_engine import as_record
from observability.instrumentation.logs.log_line import as_line
from observability.instrumentation.propagation import TraceContext
from observability.instrumentation.testing import RecordedTelemetry

VALUES = {
    "text": "plain",
    "empty": "",
    "long": "é" * 300,
    "umlaut": "Größe 𝄞",
    "yes": True,
    "no": False,
    "one": 1,
    "zero": 0,
    "negative": -7,
    "big": 2**62,
    "ratio": 0.25,
    "bytes": b"\x00\xff",
    "list": ["a", "b"],
    "numbers": (1, 2, 300),
    "nested": {"a": [1, {"b": None}]},
}


def parsed(span: Any) -> Any:
    items = [(otlp.scope(span.instrumentation_scope.name), otlp.encode_span(span))]
    return ExportTraceServiceRequest.FromString(otlp.request(span.resource.attributes, items))


def test_a_span_with_everything_is_encoded_as_by_the_package(
    telemetry: RecordedTelemetry,
) -> None:
    linked = Context(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with (
        TraceContext(parent, "vendor=1,other=2").as_parent(),
        telemetry.tracer.start_as_current_span(
            "all of it", kind=SpanKind.PRODUCER, attributes=VALUES, links=[Link(linked, {"l": 1})]
        ) as span,
    ):
        span.add_event("something", {"n": 1}, timestamp=5)
        span.set_status(StatusCode.ERROR, "because")
        try:
            int("no")
        except ValueError as error:
            span.record_exception(error)
        with telemetry.tracer.start_as_current_span("child", kind=SpanKind.CLIENT):
            pass
    telemetry.span("all of it")
    for made in telemetry.spans:
        assert parsed(made) == encode_spans([made])


def test_cached_values_keep_their_types(telemetry: RecordedTelemetry) -> None:
    for value in (1, True, 1.0, "1", 0, False, ""):
        with telemetry.tracer.start_as_current_span("one", attributes={"key": value}):
            pass
    for made in telemetry.spans:
        assert parsed(made) == encode_spans([made])


def test_more_values_than_the_cache_holds_are_encoded(telemetry: RecordedTelemetry) -> None:
    for number in range(5000):
        (field,) = otlp._span_fields.encode({"key": f"value {number}"})
        assert f"value {number}".encode() in field
    assert len(otlp._span_fields._texts) <= 4096


@pytest.mark.parametrize("attributes", [{}, {"order.id": "x", "n": 3, "ok": True}])
def test_a_log_line_is_encoded_as_by_the_package(
    telemetry: RecordedTelemetry, attributes: dict[str, Any]
) -> None:
    record = logging.LogRecord("orders", logging.WARNING, "", 0, "placed", None, None)
    context = Context(
        0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState()
    )
    line = as_line(record)._replace(span=context, attributes=attributes)
    resource = Resource({"service.name": "x"})
    encoded = [(otlp.scope("orders"), otlp.encode_log(line))]
    ours = otlp.request(resource.attributes, encoded)
    scope = InstrumentationScope("orders")
    theirs = encode_logs([ReadableLogRecord(as_record(line), resource, scope)])
    assert ExportLogsServiceRequest.FromString(ours) == theirs


def test_long_texts_are_cut_and_other_types_become_text() -> None:
    assert len(wire.any_value("x" * 100_000)) < 9000
    assert wire.any_value(2**70) == wire.any_value(str(2**70))
    assert wire.any_value("\ud800")


def test_refused_items_are_read_from_a_partial_success() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTracePartialSuccess,
        ExportTraceServiceResponse,
    )

    def response(count: int) -> bytes:
        partial = ExportTracePartialSuccess(rejected_spans=count, error_message="too old")
        return ExportTraceServiceResponse(partial_success=partial).SerializeToString()

    assert [otlp.rejected_items(response(count)) for count in (1, 127, 128, 70_000)] == [
        1,
        127,
        128,
        70_000,
    ]
    assert otlp.rejected_items(b"") == 0
    assert otlp.rejected_items(response(0)) == 0
