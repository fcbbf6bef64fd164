"""Generated inputs of the console: right examples, odd values, and damage."""

from __future__ import annotations

import copy
import random
import time
from typing import Any
from urllib.parse import quote_from_bytes

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TIMES = ("now", "now-1h", "1700000000", "2026-01-01T00:00:00Z", "1700000000000000000")
DURATIONS = ("1", "60", "15m", "1h30m")
NUMBERS = ("0", "1", "20")
TEXTS = ("orders", "POST /v1/orders", "error", "o-1", "server", "slowest", "order.id=o-1")
TRACEQL = (
    "{}",
    '{ resource.service.name = "orders" && (status = error || duration > 500ms) }',
    "{ span.http.response.status_code >= 500 } | select(span.order.id, name)",
    '{ name =~ "a.*" && kind != server } with (most_recent=true)',
)
LOGQL = (
    '{service_name=~".+"} |= "x"',
    '{service_name="orders"} | trace_id="0af7" |~ "a(b|c)+" != "d"',
    'sum by (service_name) (count_over_time({service_name=~"orders.*"} [5m]))',
    'rate({service_name="a", detected_level="error"} | order_id="1" [1m])',
)
VALUES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("from", "to", "start", "end", "time"), TIMES),
    **dict.fromkeys(("step",), DURATIONS),
    **dict.fromkeys(("limit", "steps", "after", "min_ms", "max_ms", "spss"), NUMBERS),
    "q": TRACEQL,
    "query": LOGQL,
}
TRACES = "service operation status min_ms max_ms attr text from to limit order"
LOGS = "service level text trace_id span_id from to limit after attr"
ROUTES = {
    "/api/traces": TRACES,
    "/api/traces/*": "",
    "/api/services": "",
    "/api/operations": "service",
    "/api/logs": LOGS,
    "/api/logs/last": "",
    "/api/logs/volume": f"{LOGS} steps",
    "/api/mails": "to subject text message_id trace_id order_id start limit",
    "/api/mails/*": "",
    "/api/v1/messages": "start limit",
    "/api/v1/search": "query start limit",
    "/api/v1/message/*": "",
    "/api/v1/message/*/headers": "",
    "/api/runbooks": "",
    "/api/runbooks/*": "",
    "/api/dashboards": "",
    "/api/dashboards/*": "",
    "/api/store": "",
    "/api/prometheus/*": "query time",
    "/api/alertmanager/*": "",
    "/loki/api/v1/query_range": "query start end step limit",
    "/loki/api/v1/query": "query time limit",
    "/loki/api/v1/labels": "",
    "/loki/api/v1/label/*/values": "",
    "/tempo/api/search": "q start end limit spss",
    "/tempo/api/traces/*": "",
    "/tempo/api/v2/traces/*": "",
    "/metrics": "",
    "/graph": "g0.expr",
    "/trace/*": "",
    "/d/*": "",
    "/static/*": "",
    "/*": "",
}
ODD = (
    *(b"", b" ", b"0", b"-1", b"1e400", b"nan", b"inf", b"-inf", b"9" * 5_000, b"1" + b"0" * 20),
    *(b"0x10", b"\xd9\xa1", b"\0", b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80"),
    *(b"%", b"%25", b"..", b"../../etc/passwd", b"'", b'"', b'"; DROP TABLE spans', b"\\", b"$."),
    *(b"{", b"}", b"(" * 500, b"[" * 5_000, b"((((.+)+)+)+)+Z", b"now-999999999w", b"99999-01-01"),
    *(b"2026-01-01T00:00:00+99:99", b"null", b"true", b"x" * 10_000, b"%_%", b"\r\nX: y"),
    *(b"<script>", b"now-1h/d", b"-9223372036854775809", b"18446744073709551616"),
)
ODD_JSON = (
    *(None, True, 0, -1, 2**63, 2**70, 1e400, "", "x", "7", "\ud800", "\0", "x" * 70_000, [], {}),
    *(
        [[]],
        {"a": {}},
        [{}],
        {"stringValue": 7},
        {"intValue": "x"},
        {"kvlistValue": {"values": [7]}},
    ),
)
ADDRESSES = (b"a@example.org", b"", b'"a b"@x', b"a@[1.2.3.4]", b"\xc3\xa9@x")
_ALTERNATIVES = (
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
    b"Content-Type: text/html; charset=latin-1\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"eA==\r\n--b--"
)
_ENCODED = (
    b"Subject: =?utf-8?q?=c3=a9?= =?utf-8?b?w6k=?=\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n\xff"
)
_STRUCTURED = (
    b"From: A <a@x>, (b) c@d\r\nMessage-ID: <a@b>\r\n"
    b"Content-Type: text/plain; a*0=b; a*1*=utf-8''c\r\n\r\nx"
)
_PLAIN = b"Subject: hello\r\nTo: a@x\r\nX-Order-Id: o-1\r\n\r\ntext"
MAILS = (_PLAIN, _ALTERNATIVES, _ENCODED, _STRUCTURED)


class Inputs:
    """Inputs drawn with one random generator."""

    def __init__(self, source: random.Random) -> None:
        self._random = source

    def document(self, *, is_logs: bool) -> dict[str, Any]:
        """Return a request in OTLP's JSON form, in which up to three values are odd."""
        document = _logs() if is_logs else _traces()
        for _ in range(self._random.choice((0, 1, 1, 3))):
            self._replace(document)
        return document

    def message(self, *, is_logs: bool) -> bytes:
        """Return a request in protobuf; its texts may be no UTF-8."""
        message = ExportLogsServiceRequest() if is_logs else ExportTraceServiceRequest()
        groups = message.resource_logs if is_logs else message.resource_spans
        group = groups.add()
        group.resource.attributes.add(key="service.name").value.string_value = "fuzz"
        scope = (group.scope_logs if is_logs else group.scope_spans).add()
        for _ in range(self._random.randint(1, 5)):
            item = (scope.log_records if is_logs else scope.spans).add()
            item.trace_id = self._random.randbytes(self._random.choice((16, 16, 16, 0, 15)))
            item.span_id = self._random.randbytes(self._random.choice((8, 8, 8, 0)))
            item.attributes.add(key="TEXT").value.string_value = "TEXT"
            item.attributes.add(key="n").value.int_value = self._random.randint(-(2**63), 2**63 - 1)
            if is_logs:
                item.time_unix_nano = self._random.choice((0, time.time_ns(), 2**64 - 1))
                item.body.string_value = "TEXT"
            else:
                item.name = "TEXT"
                item.kind = self._random.randint(0, 7)
                item.start_time_unix_nano = self._random.choice((0, time.time_ns(), 2**64 - 1))
                item.end_time_unix_nano = self._random.choice((0, time.time_ns(), 2**64 - 1))
        broken = self._random.choice((b"TEXT", b"\xff\xfe\xfd\xfc", b"a\0\0b", b"\xed\xa0\x80x"))
        return message.SerializeToString().replace(b"TEXT", broken)

    def address(self) -> bytes:
        """Return an address of an envelope."""
        return self.value(ADDRESSES).replace(b"\r", b"").replace(b"\n", b"")

    def mail(self) -> bytes:
        """Return a message without the dot at its end."""
        content = self.damaged(self._random.choice(MAILS))
        if self._random.random() < 0.3:
            name = self._random.choice(
                (b"From", b"Subject", b"Date", b"Content-Type", b"Message-ID")
            )
            content = name + b": " + self.value((b"a",), 0.9)[:900] + b"\r\n" + content
        return content.replace(b"\r\n.", b"\r\n..")

    def _replace(self, node: Any) -> None:
        while isinstance(node, dict | list) and node:
            key = self._random.choice(list(node)) if isinstance(node, dict) else 0
            if self._random.random() < 0.25 or not isinstance(node[key], dict | list):
                node[key] = copy.deepcopy(self._random.choice(ODD_JSON))
                return
            node = node[key]

    def value(self, right: tuple[bytes, ...], odd: float = 0.4) -> bytes:
        """Return a right value, an odd one, or a right one with some damage."""
        if self._random.random() < odd:
            return self._random.choice(ODD)
        return self.damaged(self._random.choice(right), 0.3)

    def quoted(self, right: tuple[str, ...]) -> str:
        """Return a value for a URL."""
        return quote_from_bytes(self.value(tuple(text.encode() for text in right)), safe="")

    def damaged(self, text: bytes, chance: float = 0.6) -> bytes:
        """Return bytes in which some are replaced, left out, repeated or put in."""
        if self._random.random() > chance:
            return text
        for _ in range(self._random.randint(1, 4)):
            at = self._random.randint(0, len(text))
            until = min(len(text), at + self._random.choice((0, 1, 1, 8)))
            new = self._random.choice(
                (b"", bytes([self._random.randrange(256)]), text[at:until] * 2)
            )
            text = text[:at] + new + text[until:]
        return text


def _attributes() -> list[dict[str, Any]]:
    return [
        {"key": "order.id", "value": {"stringValue": "o-1"}},
        {
            "key": "tags",
            "value": {"arrayValue": {"values": [{"intValue": "1"}, {"doubleValue": 1.5}]}},
        },
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "a", "value": {}}]}}},
        {"key": "raw", "value": {"bytesValue": "AAAA"}},
    ]


def _traces() -> dict[str, Any]:
    span = {
        "traceId": TRACE_ID,
        "spanId": "00f067aa0ba902b7",
        "parentSpanId": "",
        "name": "GET /things",
        "kind": 2,
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": str(time.time_ns()),
        "attributes": _attributes(),
        "events": [{"timeUnixNano": "1", "name": "e", "attributes": _attributes()}],
        "links": [{"traceId": TRACE_ID, "spanId": "00f067aa0ba902b7", "traceState": "a=b"}],
        "status": {"code": 2, "message": "m"},
    }
    scoped = {"scope": {"name": "lib", "version": "1"}, "spans": [span, dict(span)]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes()}, "scopeSpans": [scoped]}]}


def _logs() -> dict[str, Any]:
    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityNumber": 9,
        "severityText": "INFO",
        "body": {"stringValue": "text"},
        "eventName": "event",
        "traceId": TRACE_ID,
        "spanId": "00f067aa0ba902b7",
        "attributes": _attributes(),
    }
    scoped = {"scope": {"name": "lib"}, "logRecords": [record, dict(record)]}
    return {"resourceLogs": [{"resource": {"attributes": _attributes()}, "scopeLogs": [scoped]}]}
