#!/usr/bin/env python3
"""Answer 200 to every request on the usual ports of the backends; tests connections only."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORTS = (1025, 3000, 3100, 3200, 4317, 4318, 8025, 8888, 13133)
HEALTH_ARGUMENTS = ("health", "readyz")  # as in `loki -health`, `mailpit readyz`


class Handler(BaseHTTPRequestHandler):
    """Handler that answers every request with 200 and an empty exposition."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        # An exposition without series, so that a scrape succeeds.
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"# stub\n")

    do_POST = do_PUT = do_GET  # noqa: N815 - the base class looks these names up

    def log_message(self, *_):
        pass


if any(name in argument for name in HEALTH_ARGUMENTS for argument in sys.argv[1:]):
    sys.exit(0)
for port in PORTS:
    threading.Thread(target=ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever).start()
