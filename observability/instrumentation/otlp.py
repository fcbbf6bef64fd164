"""Write spans and log records as OTLP protobuf, without making protobuf objects.

An ended span becomes bytes at once, in the thread that ended it: nothing waits in memory for the
garbage collector, and the exporting thread only joins what is ready.

Source: opentelemetry-proto 1.9, trace.proto, logs.proto, common.proto; protobuf wire format.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, SpanContext

    from .logs import Line

# Longest text of one attribute; Loki refuses records whose metadata exceeds 64 KB.
MAX_TEXT = 8192
_MAX_CACHED = 128
_MAX_CACHE = 4096

_times = Struct("<BQBQ").pack
_fixed64 = Struct("<BQ").pack
_double = Struct("<Bd").pack
_flags = Struct("<HI").pack
_SPAN_FLAGS_LOCAL = _flags(0x0185, 0x100)
_SPAN_FLAGS_REMOTE = _flags(0x0185, 0x300)
_LOG_FLAGS = tuple(Struct("<BI").pack(0x45, flags) for flags in range(256))

_SMALL = tuple(bytes((number,)) for number in range(128))


def varint(number: int) -> bytes:
    """Encode a non-negative number, seven bits a byte."""
    if number < 128:
        return _SMALL[number]
    out = bytearray()
    while number > 127:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(tag: bytes, body: bytes) -> bytes:
    """Put a field's tag and length before its body."""
    return tag + varint(len(body)) + body


def _text(tag: bytes, text: str) -> bytes:
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
    return message(tag, text.encode("utf-8", "replace"))


def any_value(value: Any) -> bytes:
    """Encode one value; what OTLP does not know becomes text."""
    if isinstance(value, str):
        return _text(b"\x0a", value)
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + varint(value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, float):
        return _double(0x21, value)
    if isinstance(value, bytes):
        return message(b"\x3a", value[:MAX_TEXT])
    return _collection(value)


def _collection(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, (list, tuple)):
        return message(b"\x2a", b"".join(message(b"\x0a", any_value(item)) for item in value))
    if isinstance(value, dict):
        items = ((str(key), item) for key, item in value.items())
        return message(b"\x32", b"".join(message(b"\x0a", key_value(*item)) for item in items))
    return _text(b"\x0a", str(value))


def key_value(key: str, value: Any) -> bytes:
    """Encode one attribute."""
    return _text(b"\x0a", key) + message(b"\x12", any_value(value))


class Fields:
    """Encode attributes as fields of one tag; what recurs is encoded once.

    Args:
        tag: Of the repeated field that they are.
    """

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._known: dict[tuple[str, Any], bytes] = {}

    def encode(self, values: Mapping[str, Any]) -> list[bytes]:
        """Return the fields of these attributes."""
        known = self._known
        parts = []
        for item in values.items():
            kind = type(item[1])
            # Only these two: 1, True and 1.0 are one key to a dict.
            if kind is str or kind is int:
                parts.append(known.get(item) or self._learn(item))
            else:
                parts.append(message(self._tag, key_value(*item)))
        return parts

    def _learn(self, item: tuple[str, Any]) -> bytes:
        encoded = message(self._tag, key_value(*item))
        if len(encoded) <= _MAX_CACHED:
            if len(self._known) >= _MAX_CACHE:
                self._known.clear()
            self._known[item] = encoded
        return encoded


_span_fields = Fields(b"\x4a")
_log_fields = Fields(b"\x32")


def attributes(tag: bytes, values: Mapping[str, Any] | None) -> bytes:
    """Encode attributes as repeated fields."""
    if not values:
        return b""
    return b"".join([message(tag, key_value(key, value)) for key, value in values.items()])


def encode_span(span: ReadableSpan) -> bytes:
    """Encode one ended span as a `Span` message."""
    context: SpanContext = span._context  # type: ignore[assignment]
    parent = span._parent
    parts = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        context.span_id.to_bytes(8, "big"),
        _trace_state(context),
        b"" if parent is None else b"\x22\x08" + parent.span_id.to_bytes(8, "big"),
        _text(b"\x2a", span._name),
        b"\x30",
        _SMALL[span._kind.value + 1],
        _times(0x39, span._start_time or 0, 0x41, span._end_time or 0),
    ]
    if span._attributes:
        parts += _span_fields.encode(span._attributes)
    if span._events:
        parts += [message(b"\x5a", _event(event)) for event in span._events]
    if span._links:
        parts += [message(b"\x6a", _link(link)) for link in span._links]
    parts.append(_status(span))
    remote = parent is not None and parent.is_remote
    parts.append(_SPAN_FLAGS_REMOTE if remote else _SPAN_FLAGS_LOCAL)
    return b"".join(parts)


def _trace_state(context: SpanContext) -> bytes:
    return _text(b"\x1a", context.trace_state.to_header()) if context.trace_state else b""


def _event(event: Any) -> bytes:
    return (
        _fixed64(0x09, event.timestamp)
        + _text(b"\x12", event.name)
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


def _status(span: ReadableSpan) -> bytes:
    status = span._status
    code = status.status_code.value
    if not code and not status.description:
        return b"\x7a\x00"
    text = _text(b"\x12", status.description) if status.description else b""
    return message(b"\x7a", text + (b"\x18" + _SMALL[code] if code else b""))


def encode_log(line: Line) -> bytes:
    """Encode one line as a `LogRecord` message."""
    number, name = line.severity
    time_ns = int(line.time * 1e9)
    parts = [
        _fixed64(0x09, time_ns),
        b"\x10",
        _SMALL[number],
        _text(b"\x1a", name),
        message(b"\x2a", _text(b"\x0a", line.body)),
    ]
    if line.attributes:
        parts += _log_fields.encode(line.attributes)
    span = line.span
    if span is not None:
        parts += [
            _LOG_FLAGS[span.trace_flags & 0xFF],
            b"\x4a\x10",
            span.trace_id.to_bytes(16, "big"),
            b"\x52\x08",
            span.span_id.to_bytes(8, "big"),
        ]
    parts.append(_fixed64(0x59, time_ns))
    return b"".join(parts)


def scope(name: str, version: str = "") -> bytes:
    """Encode an instrumentation scope."""
    return _text(b"\x0a", name) + (_text(b"\x12", version) if version else b"")


def request(resource: Mapping[str, Any], items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Join spans, or log records, into one export request.

    Args:
        resource: Who speaks.
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
    """Return how many items an export's answer says it refused.

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
