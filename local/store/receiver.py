"""The OTLP/HTTP receiver: a WSGI application that answers once everything is stored.

Source: OTLP specification 1.x, section OTLP/HTTP: the requests of a client, and the answers on
which it retries (429, 502, 503, 504) or gives up (400, 413).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

from local.store.decode import decode_logs, decode_spans
from local.store.errors import BadPayloadError, StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from local.store.store import Store

MAX_BODY_BYTES = 16 * 1024 * 1024
_PATHS = ("/v1/traces", "/v1/logs", "/v1/metrics")
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    503: "Service Unavailable",
}
_METRICS_ANSWER = (
    "metrics are scraped by Prometheus here, not received; set OTEL_METRICS_EXPORTER=none"
)


class _TooLargeError(BadPayloadError):
    """A body that is too large once decompressed."""


# The first matching class decides, so the order matters.
_REJECTIONS: dict[type[StoreError], tuple[int, str]] = {
    _TooLargeError: (413, "too_large"),
    BadPayloadError: (400, "bad_request"),
    StoreBusyError: (503, "busy"),
    StoreError: (503, "storage"),
}


def create_receiver(store: Store) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return the WSGI application for `/v1/traces`, `/v1/logs` and `/v1/metrics`."""

    def receiver(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, kind, body = _answer(store, environ)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        if status == 503:
            headers.append(("Retry-After", "1"))
        start_response(f"{status} {_REASONS[status]}", headers)
        return [body]

    return receiver


def _answer(store: Store, environ: WSGIEnvironment) -> tuple[int, str, bytes]:
    path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
    if path == "/livez":
        return 200, "text/plain", b"ok"
    if path not in _PATHS:
        return _error(404, f"unknown path {path[:100]}; this port takes OTLP/HTTP")
    if method != "POST":
        return _error(405, f"{path} takes POST")
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        return _error(415, f"expected {PROTOBUF} or {JSON}, not {kind or 'nothing'}")
    return _take(store, environ, path, kind)


def _take(store: Store, environ: WSGIEnvironment, path: str, kind: str) -> tuple[int, str, bytes]:
    try:
        return _store(store, path, _body(environ), kind)
    except StoreError as error:
        status, reason = next(
            rejection for known, rejection in _REJECTIONS.items() if isinstance(error, known)
        )
        store.count_rejected(reason)
        return _error(status, str(error))


def _store(store: Store, path: str, body: bytes, kind: str) -> tuple[int, str, bytes]:
    is_json = kind == JSON
    if path == "/v1/metrics":
        return 200, kind, _metrics_answer(is_json=is_json)
    if path == "/v1/traces":
        store.put_spans(decode_spans(body, is_json=is_json))
    else:
        store.put_lines(decode_logs(body, is_json=is_json))
    # An empty message is the protobuf form of full success.
    return 200, kind, b"{}" if is_json else b""


def _body(environ: WSGIEnvironment) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    raw: bytes = environ["wsgi.input"].read(length) if length else environ["wsgi.input"].read()
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "deflate"):
        raise BadPayloadError(f"unknown content encoding {encoding[:40]!r}; use gzip")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        body = unpacker.decompress(raw, MAX_BODY_BYTES)
    except zlib.error as error:
        raise BadPayloadError(f"the body is not {encoding}: {error}") from error
    if unpacker.unconsumed_tail:
        raise _TooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes once decompressed")
    if not unpacker.eof:
        raise BadPayloadError(f"the body ends in the middle of its {encoding} data")
    return body


def _metrics_answer(*, is_json: bool) -> bytes:
    if is_json:
        return orjson.dumps({"partialSuccess": {"errorMessage": _METRICS_ANSWER}})
    # Imported on demand: few clients send metrics, and the module costs memory.
    from opentelemetry.proto.collector.metrics.v1 import (  # noqa: PLC0415
        metrics_service_pb2 as service,
    )

    partial = service.ExportMetricsPartialSuccess(error_message=_METRICS_ANSWER)
    answer = service.ExportMetricsServiceResponse(partial_success=partial)
    return bytes(answer.SerializeToString())


def _error(status: int, message: str) -> tuple[int, str, Any]:
    return status, JSON, orjson.dumps({"message": message})
