"""Responses in one piece: head and body of a small one leave in a single send.

gunicorn sends the head, then the body. A replica that is killed between the two leaves a proxy
with a status and no body, which it can neither complete nor ask another replica for; as one send,
the response arrives whole or not at all, and a proxy retries a read that did not arrive.
"""

from __future__ import annotations

from typing import Any

from gunicorn.http import wsgi


class Collected:
    """A stand-in for a socket that collects the data sent to it."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Keep the data."""
        self.parts.append(data)


class WholeResponse(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response, whose first write carries the head too."""

    sock: Any

    def write(self, arg: bytes) -> None:
        """Send what gunicorn would send for this part of the body, at once."""
        if self.headers_sent:
            super().write(arg)
            return
        sock, collected = self.sock, Collected()
        self.sock = collected
        try:
            super().write(arg)
        finally:
            self.sock = sock
        sock.sendall(b"".join(collected.parts))


def answer_in_one_piece() -> None:
    """Make all workers send responses in this way; call it in the main process."""
    wsgi.Response = WholeResponse
