"""Turn OTLP requests, protobuf or JSON, into spans and log lines.

Source: opentelemetry-proto 1.x; its JSON form writes ids as hex where protobuf's own writes base64.
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from local.store.errors import BadPayloadError
from local.store.model import Attributes, LogLine, Span
from observability.instrumentation.semconv import ATTR_SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

UNKNOWN_SERVICE = "unknown_service"
MAX_TEXT = 64 * 1024
# The largest integer that SQLite stores; a wrong clock may exceed it.
MAX_INTEGER = 2**63 - 1
_HEX_IDS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}


def decode_spans(body: bytes, *, is_json: bool) -> list[Span]:
    """Return the spans of an ExportTraceServiceRequest.

    Raises:
        BadPayloadError: The bytes are not such a request, or a span has no id.
    """
    request = _parse(ExportTraceServiceRequest(), body, is_json=is_json)
    spans = []
    for group in request.resource_spans:
        resource = attributes(group.resource.attributes)
        for scope in group.scope_spans:
            spans += [_span(message, resource) for message in scope.spans]
    return spans


def decode_logs(body: bytes, *, is_json: bool) -> list[LogLine]:
    """Return the log lines of an ExportLogsServiceRequest.

    Raises:
        BadPayloadError: The bytes are not such a request.
    """
    request = _parse(ExportLogsServiceRequest(), body, is_json=is_json)
    lines = []
    for group in request.resource_logs:
        resource = attributes(group.resource.attributes)
        for scope in group.scope_logs:
            lines += [_line(record, resource) for record in scope.log_records]
    return lines


def attributes(pairs: Iterable[KeyValue]) -> Attributes:
    """Return OTLP's list of pairs as a plain dict."""
    return {pair.key: _value(pair.value) for pair in pairs}


def service_of(resource: Attributes) -> str:
    """Return `service.name`, or the conventions' value for a missing one."""
    return str(resource.get(ATTR_SERVICE_NAME) or UNKNOWN_SERVICE)[:200]


def _parse(request: Any, body: bytes, *, is_json: bool) -> Any:
    try:
        if is_json:
            document = orjson.loads(body)
            if not isinstance(document, dict):
                raise BadPayloadError("not an OTLP request: expected a JSON object")
            _ids_to_base64(document)
            ParseDict(document, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (
        DecodeError,
        ParseError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BadPayloadError(f"not an OTLP request: {error}") from error
    return request


def _ids_to_base64(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _ids_to_base64(item)
    elif isinstance(node, dict):
        for key, item in node.items():
            if key in _HEX_IDS and isinstance(item, str):
                node[key] = base64.b64encode(bytes.fromhex(item)).decode()
            else:
                _ids_to_base64(item)


def _span(message: SpanMessage, resource: Attributes) -> Span:
    if len(message.trace_id) != 16 or len(message.span_id) != 8:
        raise BadPayloadError("a span needs a trace id of 16 bytes and a span id of 8")
    return Span(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_id=message.parent_span_id.hex(),
        service=service_of(resource),
        name=message.name[:1000],
        kind=message.kind if message.kind in range(6) else 0,
        start_ns=min(message.start_time_unix_nano, MAX_INTEGER),
        duration_ns=_between(message.start_time_unix_nano, message.end_time_unix_nano),
        status=message.status.code if message.status.code in range(3) else 0,
        status_message=message.status.message[:MAX_TEXT],
        attributes=attributes(message.attributes),
        resource=resource,
        events=[_event(event) for event in message.events],
        links=[
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()}
            for link in message.links
        ],
    )


def _event(event: Any) -> Attributes:
    return {
        "name": event.name,
        "time_ns": min(event.time_unix_nano, MAX_INTEGER),
        "attributes": attributes(event.attributes),
    }


def _line(record: LogRecord, resource: Attributes) -> LogLine:
    body = _value(record.body)
    when = record.time_unix_nano or record.observed_time_unix_nano or time.time_ns()
    return LogLine(
        time_ns=min(when, MAX_INTEGER),
        service=service_of(resource),
        severity=record.severity_number if record.severity_number in range(25) else 0,
        severity_text=record.severity_text[:40],
        body=(body if isinstance(body, str) else orjson.dumps(body).decode())[:MAX_TEXT],
        trace_id=record.trace_id.hex() if any(record.trace_id) else "",
        span_id=record.span_id.hex() if any(record.span_id) else "",
        attributes=attributes(record.attributes),
        resource=resource,
    )


def _between(start: int, end: int) -> int:
    return max(0, min(end, MAX_INTEGER) - min(start, MAX_INTEGER))


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)
