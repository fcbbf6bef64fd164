"""A web server in place of a webhook, Slack, PagerDuty and a dead man's switch."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receivers(ThreadingHTTPServer):
    """Receivers that answer as they are told, each below a path of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        # Status by path and by a word of the body; 0 never answers.
        self.faults: dict[tuple[str, str], int] = {}
        self.requests: Counter[tuple[str, str]] = Counter()
        self.delivered: dict[tuple[str, str], str] = {}
        self.released = threading.Event()

    def answer(self, path: str, body: str) -> int:
        """Count a request and return its status."""
        for (place, word), status in self.faults.items():
            if place == path and word in body:
                self.requests[place, word] += 1
                if status == 200:
                    self.delivered[place, word] = body
                return status
        self.requests[path, ""] += 1
        return 200


class _Handler(BaseHTTPRequestHandler):
    server: Receivers

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status = self.server.answer(self.path, body)
        if not status:
            self.server.released.wait(60)
            return
        # PagerDuty accepts with 202 and a body; Slack answers "ok".
        self.send_response(202 if (self.path, status) == ("/pagerduty", 200) else status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok" if self.path == "/slack" else b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def running_receivers() -> Iterator[Receivers]:
    """Run the receivers on a free port."""
    server = Receivers()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
