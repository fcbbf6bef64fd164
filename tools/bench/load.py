"""A load generator in its own process: a few connections that send one request after another.

`python -m tools.bench.load PORT PATH REQUESTS CONNECTIONS` prints quantiles of the latency as JSON.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time


class Client:
    """One connection: it sends, waits for the whole answer, and sends again."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._buffer = b""
        self._started = 0.0

    def send(self) -> None:
        self._buffer = b""
        self._started = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> float | None:
        """Return the seconds that the answer took, or None while it is incomplete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return None
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head[:200].decode())
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return time.perf_counter() - self._started if len(body) >= length else None


def run(port: int, path: str, requests: int, connections: int) -> list[float]:
    """Send a number of requests; return how long each took, in seconds."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n".encode()
    selector = selectors.DefaultSelector()
    latencies: list[float] = []
    left = requests
    for _ in range(connections):
        client = Client(port, request)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send()
        left -= 1
    while len(latencies) < requests:
        for key, _ in selector.select():
            client = key.data
            seconds = client.receive()
            if seconds is None:
                continue
            latencies.append(seconds)
            if left > 0:
                left -= 1
                client.send()
    return latencies


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of sorted values."""
    return values[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    port, path, requests, connections = sys.argv[1:]
    found = sorted(run(int(port), path, int(requests), int(connections)))
    print(json.dumps({"p50": quantile(found, 0.5), "p99": quantile(found, 0.99)}))
