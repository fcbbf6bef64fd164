"""Encode spans and log records as OTLP protobuf, without protobuf objects.

A span is encoded when it ends, in its own thread: no span objects wait in memory, and the
exporting thread only joins bytes.

Source: opentelemetry-proto 1.9, trace.proto, logs.proto.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, TraceState

from .._tracing.recorded_span import UNSET
from .wire import MAX_CACHE, Fields, attributes, message, text_field, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, Status

    from ..logs.log_line import Line

_times = Struct("<BQBQ").pack
_fixed64 = Struct("<BQ").pack
_flags = Struct("<HI").pack
_SPAN_FLAGS_LOCAL = _flags(0x0185, 0x100)
_SPAN_FLAGS_REMOTE = _flags(0x0185, 0x300)
_LOG_FLAGS = tuple(Struct("<BI").pack(0x45, flags) for flags in range(256))

_KINDS = {kind: b"\x30" + varint(kind.value + 1) for kind in SpanKind}
_NO_STATE = TraceState.get_default()
_names: dict[str, bytes] = {}
_severities: dict[tuple[int, str], bytes] = {}
_span_fields = Fields(b"\x4a")
_log_fields = Fields(b"\x32")


def encode_span(span: ReadableSpan) -> bytes:
    """Encode one ended span as a `Span` message."""
    # Private fields, and a SpanContext read as the tuple that it is: each property of the SDK costs
    # a function call. https://github.com/open-telemetry/opentelemetry-python/issues/3663
    trace_id, span_id, _, _, state, _ = span._context  # type: ignore[misc]
    parent = span._parent
    name = span._name
    parts = [
        b"\x0a\x10",
        trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        span_id.to_bytes(8, "big"),
        b"" if parent is None else b"\x22\x08" + parent[1].to_bytes(8, "big"),
        _names.get(name) or _learn_name(name),
        _KINDS[span._kind],
        _times(0x39, span._start_time or 0, 0x41, span._end_time or 0),
    ]
    if state is not _NO_STATE and state:
        parts.append(text_field(b"\x1a", state.to_header()))
    if span._attributes:
        parts += _span_fields.encode(span._attributes)
    if span._events:
        parts += [message(b"\x5a", _event(event)) for event in span._events]
    if span._links:
        parts += [message(b"\x6a", _link(link)) for link in span._links]
    parts.append(b"\x7a\x00" if span._status is UNSET else _status(span._status))
    parts.append(_SPAN_FLAGS_REMOTE if parent and parent[2] else _SPAN_FLAGS_LOCAL)
    return b"".join(parts)


def _learn_name(name: str) -> bytes:
    if len(_names) >= MAX_CACHE:
        _names.clear()
    encoded = _names[name] = text_field(b"\x2a", name)
    return encoded


def _event(event: Any) -> bytes:
    return (
        _fixed64(0x09, event.timestamp)
        + text_field(b"\x12", event.name)
        + attributes(b"\x1a", event.attributes)
    )


def _link(link: Link) -> bytes:
    context = link.context
    return (
        message(b"\x0a", context.trace_id.to_bytes(16, "big"))
        + message(b"\x12", context.span_id.to_bytes(8, "big"))
        + attributes(b"\x22", link.attributes)
        + Struct("<BI").pack(0x35, 0x300 if context.is_remote else 0x100)
    )


def _status(status: Status) -> bytes:
    code = status.status_code.value
    text = text_field(b"\x12", status.description) if status.description else b""
    return message(b"\x7a", text + (b"\x18" + varint(code) if code else b""))


def encode_log(line: Line) -> bytes:
    """Encode one line as a `LogRecord` message."""
    time_ns = int(line.time * 1e9)
    parts = [
        _fixed64(0x09, time_ns),
        _severities.get(line.severity) or _learn_severity(line.severity),
        message(b"\x2a", text_field(b"\x0a", line.body)),
    ]
    if line.attributes:
        parts += _log_fields.encode(line.attributes)
    if line.span is not None:
        trace_id, span_id, _, flags, _, _ = line.span
        parts += [
            _LOG_FLAGS[flags & 0xFF],
            b"\x4a\x10",
            trace_id.to_bytes(16, "big"),
            b"\x52\x08",
            span_id.to_bytes(8, "big"),
        ]
    parts.append(_fixed64(0x59, time_ns))
    return b"".join(parts)


def _learn_severity(severity: tuple[int, str]) -> bytes:
    number, name = severity
    encoded = _severities[severity] = b"\x10" + varint(number) + text_field(b"\x1a", name)
    return encoded


def scope(name: str, version: str = "") -> bytes:
    """Encode an instrumentation scope."""
    return text_field(b"\x0a", name) + (text_field(b"\x12", version) if version else b"")


def request(resource: Mapping[str, Any], items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Join spans, or log records, into one export request.

    Args:
        resource: Attributes of the process.
        items: Pairs of an encoded scope and an encoded span or record.
    """
    scopes: dict[bytes, list[bytes]] = {}
    for scope_bytes, item in items:
        scopes.setdefault(scope_bytes, []).append(message(b"\x12", item))
    body = message(b"\x0a", attributes(b"\x0a", resource))
    for scope_bytes, encoded in scopes.items():
        body += message(b"\x12", message(b"\x0a", scope_bytes) + b"".join(encoded))
    return message(b"\x0a", body)


def rejected_items(response: bytes) -> int:
    """Return how many items the receiver refused, according to its answer.

    Source: opentelemetry-proto, ExportTracePartialSuccess: field 1 of field 1.
    """
    if response[:1] != b"\x0a" or len(response) < 4 or response[2:3] != b"\x08":
        return 0
    number, shift = 0, 0
    for byte in response[3:13]:
        number |= (byte & 0x7F) << shift
        if byte < 128:
            break
        shift += 7
    return number
