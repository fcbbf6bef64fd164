"""An OTLP receiver over HTTP that keeps spans and log lines, or discards them."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Sink:
    """An OTLP receiver on a free loopback port.

    Args:
        parse: Keep every span and record; otherwise bodies are read and discarded.
        port: To listen on; 0 takes a free one.

    `status` is what it answers, and `before_answer` is called first, to be slow or to hang; both
    may be changed while it runs.
    """

    def __init__(self, *, parse: bool = True, port: int = 0) -> None:
        self.parse = parse
        self.status = 200
        self.before_answer: Any = lambda: None
        self.requests: list[str] = []
        self.spans: list[Any] = []
        self.span_resources: list[dict[str, Any]] = []
        self.logs: list[Any] = []
        self.log_resources: list[dict[str, Any]] = []
        self.log_scopes: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.before_answer()
                if sink.status == 200:
                    sink.take(self.path, body, dict(self.headers))
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                body = json.dumps({"requests": len(sink.requests)}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> Sink:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def take(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        with self._lock:
            self.requests.append(path)
            self.headers.append(headers)
            if self.parse:
                self._parse(path, body)

    def _parse(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                known = {pair.key: _plain(pair.value) for pair in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.spans += scope.spans
                    self.span_resources += [known] * len(scope.spans)
        elif path == "/v1/logs":
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                known = {pair.key: _plain(pair.value) for pair in resource.resource.attributes}
                for scope in resource.scope_logs:
                    self.logs += scope.log_records
                    self.log_resources += [known] * len(scope.log_records)
                    self.log_scopes[scope.scope.name] += len(scope.log_records)

    def span_names(self) -> Counter[str]:
        with self._lock:
            return Counter(span.name for span in self.spans)


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None


if __name__ == "__main__":
    Sink(parse=False, port=int(sys.argv[1])).server.serve_forever()
