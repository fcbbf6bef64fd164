"""A small program in place of a server: `standin.py PORT [forks] [stubborn]`.

It listens on the port, forks two children that do the same nothing, and, if stubborn, hears no
polite signal.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

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
listener = socket.create_server(("127.0.0.1", port))
print("listening", flush=True)
while True:
    listener.accept()[0].close()
