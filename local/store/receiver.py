"""The OTLP/HTTP receiver: a WSGI application that answers once everything is stored.

Source: OTLP specification 1.x, section OTLP/HTTP: the requests of a client, and the answers on
which it retries (429, 502, 503, 504) or gives up (400, 413).
"""

from __future__ import annotations

import threading
import zlib
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import orjson

from local.store.errors import BadPayloadError, StoreBusyError, StoreError, TooLargeError
from local.store.otlp.answer import success
from local.store.otlp.decode import decode_logs, decode_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from local.store.store import Store

MAX_BODY_BYTES = 16 * 1024 * 1024
LARGE_BYTES = 1024 * 1024
# Half of the threads of the port; the others take small requests meanwhile.
MOST_LARGE_WAITING = 3
Answer = tuple[int, str, bytes]
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


# The first matching class decides, so the order matters.
_REJECTIONS: dict[type[StoreError], tuple[int, str]] = {
    TooLargeError: (413, "too_large"),
    BadPayloadError: (400, "bad_request"),
    StoreBusyError: (503, "busy"),
    StoreError: (503, "storage"),
}


class Receiver:
    """The WSGI application for `/v1/traces`, `/v1/logs` and `/v1/metrics`.

    Args:
        store: Store of what arrives.
        problem: Return why the console does not work, empty if it does; for `/livez`.
    """

    def __init__(self, store: Store, problem: Callable[[], str]) -> None:
        self._store = store
        self._problem = problem
        self._large = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_LARGE_WAITING)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        status, kind, body = self._answer(environ)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        if status == 503:
            headers.append(("Retry-After", "1"))
        start_response(f"{status} {_REASONS[status]}", headers)
        return [body]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path == "/livez":
            problem = self._problem()
            return (503, "text/plain", problem.encode()) if problem else (200, "text/plain", b"ok")
        if path not in _PATHS:
            return _error(404, f"unknown path {path[:100]}; this port takes OTLP/HTTP")
        if method != "POST":
            return _error(405, f"{path} takes POST")
        kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if kind not in (PROTOBUF, JSON):
            return _error(415, f"expected {PROTOBUF} or {JSON}, not {kind[:100] or 'nothing'}")
        try:
            return self._take(environ, path, kind)
        except StoreError as error:
            status, reason = next(
                rejection for known, rejection in _REJECTIONS.items() if isinstance(error, known)
            )
            self._store.count_rejected(reason)
            return _error(status, str(error))

    def _take(self, environ: WSGIEnvironment, path: str, kind: str) -> Answer:
        body = Body(environ)
        with self._one_at_a_time() if body.is_large else nullcontext():
            return self._keep(path, body.read(), kind)

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Wait for the large body before; leave threads for small ones."""
        if not self._waiting.acquire(blocking=False):
            raise StoreBusyError("too many large requests at once")
        try:
            with self._large:
                yield
        finally:
            self._waiting.release()

    def _keep(self, path: str, body: bytes, kind: str) -> Answer:
        is_json = kind == JSON
        if path == "/v1/metrics":
            return 200, kind, success(path, 0, _METRICS_ANSWER, is_json=is_json)
        if path == "/v1/traces":
            spans = decode_spans(body, is_json=is_json)
            self._store.put_spans(spans.items)
            return 200, kind, success(path, spans.rejected, spans.reason, is_json=is_json)
        lines = decode_logs(body, is_json=is_json)
        self._store.put_lines(lines.items)
        return 200, kind, success(path, lines.rejected, lines.reason, is_json=is_json)


class Body:
    """The body of a request, which is unpacked up to LARGE_BYTES at first.

    Raises:
        BadPayloadError: Its encoding is unknown, or it is not in that encoding.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        self._rest: bytes = environ["wsgi.input"].read(length)
        self._encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
        self._parts: list[bytes] = []
        self.is_large = len(self._rest) > LARGE_BYTES
        if self._encoding in ("", "identity"):
            return
        if self._encoding not in ("gzip", "deflate"):
            raise BadPayloadError(f"unknown content encoding {self._encoding[:40]!r}; use gzip")
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        if not self.is_large:
            self._unpack(LARGE_BYTES)
            self.is_large = bool(self._unpacker.unconsumed_tail)

    def read(self) -> bytes:
        """Return all of it, unpacked.

        Raises:
            TooLargeError: It has more than MAX_BODY_BYTES.
            BadPayloadError: It is not in its encoding, or cut off.
        """
        if self._encoding in ("", "identity"):
            return self._rest
        if self.is_large:
            self._unpack(MAX_BODY_BYTES - sum(map(len, self._parts)))
        if self._unpacker.unconsumed_tail:
            raise TooLargeError(f"the body has more than {MAX_BODY_BYTES} bytes once unpacked")
        if not self._unpacker.eof or self._unpacker.unused_data:
            raise BadPayloadError(f"expected one complete {self._encoding} stream as the body")
        return b"".join(self._parts)

    def _unpack(self, most: int) -> None:
        try:
            self._parts.append(self._unpacker.decompress(self._rest, most))
        except zlib.error as error:
            raise BadPayloadError(f"the body is not {self._encoding}: {error}") from error
        self._rest = self._unpacker.unconsumed_tail


def _error(status: int, message: str) -> Answer:
    return status, JSON, orjson.dumps({"message": message})
