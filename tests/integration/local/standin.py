"""A small program in place of a server: `standin.py PORT [forks] [stubborn] [http]`.

It listens on the port, forks two children that do the same nothing, and, if stubborn, hears no
polite signal. With `http` it answers requests: 200, or 503 while the file that the last word names
exists.
"""

from __future__ import annotations

import http.server
import os
import signal
import socket
import sys
import time
from pathlib import Path

port, words = int(sys.argv[1]), sys.argv[2:]
if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
if "forks" in words:
    master = os.getpid()
    for _ in range(2):
        if os.fork() == 0:
            # Like a worker of gunicorn: it goes when it sees that its master is gone.
            while os.getppid() == master:
                time.sleep(0.05)
            sys.exit()
if "http" in words:

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503 if Path(words[-1]).exists() else 200)
            self.end_headers()

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()
listener = socket.create_server(("127.0.0.1", port))
print("listening", flush=True)
while True:
    listener.accept()[0].close()
