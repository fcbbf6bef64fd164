"""Turn OTLP requests, protobuf or JSON, into spans and log lines."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from local.store.errors import BadPayloadError
from local.store.model import Attributes, LogLine, Scope, Span
from local.store.otlp.groups import LOGS, TRACES
from local.store.otlp.severity import severity_of
from local.store.otlp.unpack import parse, unpack
from local.store.text import clean
from observability.instrumentation.semconv import ATTR_SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.store.otlp.groups import Kind, Raw

UNKNOWN_SERVICE = "unknown_service"
MAX_TEXT = 64 * 1024
MAX_NAME = 1_000
MAX_KEY = 256
MAX_ITEM_BYTES = 1024 * 1024
MAX_RESOURCE_BYTES = 64 * 1024
# An SDK's own limits are 128 for each of these.
MOST_ATTRIBUTES = 256
MOST_EVENTS = 256
MOST_LINKS = 256
# Of all items of a request, elements of lists included.
MOST_VALUES = 400_000
# The largest integer that SQLite stores; a wrong clock may exceed it.
MAX_INTEGER = 2**63 - 1
_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8

Item = TypeVar("Item")


@dataclass(slots=True)
class Decoded(Generic[Item]):
    """The items of a request.

    Args:
        rejected: Number of items that are left out.
        reason: Why the first of them is; with none, what was cut off.
    """

    items: list[Item] = field(default_factory=list)
    rejected: int = 0
    reason: str = ""

    def reject(self, count: int, reason: str) -> None:
        """Leave out items."""
        self.rejected += count
        self.reason = self.reason or reason


def decode_spans(body: bytes, *, is_json: bool) -> Decoded[Span]:
    """Return the spans of an ExportTraceServiceRequest.

    Raises:
        BadPayloadError: The bytes are not such a request, or none of its spans can be stored.
        TooLargeError: It exceeds a limit.
    """
    return _decode(body, TRACES, _Reader.span, is_json=is_json)


def decode_logs(body: bytes, *, is_json: bool) -> Decoded[LogLine]:
    """Return the log lines of an ExportLogsServiceRequest.

    Raises:
        BadPayloadError: The bytes are not such a request, or none of its lines can be stored.
        TooLargeError: It exceeds a limit.
    """
    return _decode(body, LOGS, _Reader.line, is_json=is_json)


def service_of(resource: Attributes) -> str:
    """Return `service.name`, or the conventions' value for a missing one."""
    return str(resource.get(ATTR_SERVICE_NAME) or UNKNOWN_SERVICE)[:200]


def _decode(
    body: bytes,
    kind: Kind,
    read: Callable[[_Reader, Any, Attributes, Scope], Item],
    *,
    is_json: bool,
) -> Decoded[Item]:
    reader, decoded = _Reader(), Decoded[Item]()
    for group in unpack(body, kind, is_json=is_json):
        try:
            resource = reader.resource(group.resource)
            scope = reader.scope(group.scope)
        except BadPayloadError as error:
            decoded.reject(len(group.items), str(error))
            continue
        for raw in group.items:
            try:
                decoded.items.append(read(reader, _parsed(raw, kind.item), resource, scope))
            except BadPayloadError as error:
                decoded.reject(1, str(error))
    if decoded.rejected and not decoded.items:
        raise BadPayloadError(decoded.reason)
    decoded.reason = decoded.reason or reader.cut
    return decoded


def _parsed(raw: Raw, name: str, largest: int = MAX_ITEM_BYTES) -> Any:
    if isinstance(raw, memoryview) and len(raw) > largest:
        raise BadPayloadError(f"{name}: {len(raw)} bytes, expected at most {largest}")
    return parse(raw, name)


class _Reader:
    """A reader of the messages of one request.

    Attributes:
        cut: Which part of an item exceeded a limit and was left out.
    """

    def __init__(self) -> None:
        self.cut = ""
        self._left = MOST_VALUES

    def resource(self, raw: Raw) -> Attributes:
        message = _parsed(raw, "Resource", MAX_RESOURCE_BYTES)
        return self._attributes(message.attributes)

    def scope(self, raw: Raw) -> Scope:
        message = _parsed(raw, "InstrumentationScope", MAX_RESOURCE_BYTES)
        return Scope(clean(message.name)[:MAX_NAME], clean(message.version)[:MAX_NAME])

    def span(self, message: Any, resource: Attributes, scope: Scope) -> Span:
        trace_id = _id(message.trace_id, _TRACE_ID_BYTES)
        span_id = _id(message.span_id, _SPAN_ID_BYTES)
        if not trace_id or not span_id:
            raise BadPayloadError(
                "a span needs a trace id of 16 bytes and a span id of 8, not all 0"
            )
        return Span(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=_id(message.parent_span_id, _SPAN_ID_BYTES),
            service=service_of(resource),
            name=clean(message.name)[:MAX_NAME],
            kind=message.kind if message.kind in range(6) else 0,
            start_ns=min(message.start_time_unix_nano, MAX_INTEGER),
            duration_ns=_between(message.start_time_unix_nano, message.end_time_unix_nano),
            status=message.status.code if message.status.code in range(3) else 0,
            status_message=clean(message.status.message)[:MAX_TEXT],
            attributes=self._attributes(message.attributes),
            resource=resource,
            events=[
                self._event(event) for event in self._first(message.events, MOST_EVENTS, "events")
            ],
            links=[self._link(link) for link in self._first(message.links, MOST_LINKS, "links")],
            scope=scope,
            trace_state=clean(message.trace_state)[:MAX_NAME],
        )

    def line(self, record: Any, resource: Attributes, scope: Scope) -> LogLine:
        when = record.time_unix_nano or record.observed_time_unix_nano or time.time_ns()
        severity_text = clean(record.severity_text)[:40]
        event_name = clean(record.event_name)[:MAX_NAME]
        body = self._value(record.body)
        text = body if isinstance(body, str) else _json(body)
        return LogLine(
            time_ns=min(when, MAX_INTEGER),
            service=service_of(resource),
            severity=record.severity_number
            if record.severity_number in range(1, 25)
            else severity_of(severity_text),
            severity_text=severity_text,
            body=(text or event_name)[:MAX_TEXT],
            trace_id=_id(record.trace_id, _TRACE_ID_BYTES),
            span_id=_id(record.span_id, _SPAN_ID_BYTES),
            attributes=self._attributes(record.attributes),
            resource=resource,
            scope=scope,
            event_name=event_name,
        )

    def _event(self, event: Any) -> Attributes:
        return {
            "name": clean(event.name)[:MAX_NAME],
            "time_ns": min(event.time_unix_nano, MAX_INTEGER),
            "attributes": self._attributes(event.attributes),
        }

    def _link(self, link: Any) -> Attributes:
        return {
            "trace_id": _id(link.trace_id, _TRACE_ID_BYTES),
            "span_id": _id(link.span_id, _SPAN_ID_BYTES),
            "trace_state": clean(link.trace_state)[:MAX_NAME],
            "attributes": self._attributes(link.attributes),
        }

    def _attributes(self, pairs: Any) -> Attributes:
        """Return OTLP's list of pairs as a plain dict."""
        shown = self._first(pairs, MOST_ATTRIBUTES, "attributes")
        return {clean(pair.key)[:MAX_KEY]: self._value(pair.value) for pair in shown}

    def _first(self, items: Any, most: int, name: str) -> Any:
        if len(items) <= most:
            return items
        self.cut = f"{len(items)} {name}: only the first {most} are stored"
        return items[:most]

    def _value(self, value: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise BadPayloadError(f"more than {MOST_VALUES} values in one request")
        kind = value.WhichOneof("value")
        if kind is None:
            return None
        if kind == "string_value":
            return clean(value.string_value)[:MAX_TEXT]
        if kind == "array_value":
            return [self._value(item) for item in value.array_value.values]
        if kind == "kvlist_value":
            return self._attributes(value.kvlist_value.values)
        if kind == "bytes_value":
            return base64.b64encode(value.bytes_value[:MAX_TEXT]).decode()
        return getattr(value, kind)


def _json(value: Any) -> str:
    return "" if value is None else orjson.dumps(value).decode()


def _id(raw: bytes, length: int) -> str:
    """Return an id in hex; an empty one if it has another length or is all 0."""
    return raw.hex() if len(raw) == length and any(raw) else ""


def _between(start: int, end: int) -> int:
    return max(0, min(end, MAX_INTEGER) - min(start, MAX_INTEGER))
