"""gunicorn's responses, in one piece, and its own errors as problem+json.

gunicorn sends the head, then the body. A replica that is killed between the two leaves a proxy
with a status and no body, which it can neither complete nor ask another replica for; as one send,
the response arrives whole or not at all, and a proxy retries a read that did not arrive.

A request that gunicorn cannot parse never reaches the app, so gunicorn answers it, with HTML.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn import util
from gunicorn.http import wsgi

from service.web.problems import MEDIA_TYPE, document

if TYPE_CHECKING:
    import socket


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


def write_problem(client: socket.socket, status: int, reason: str, message: str) -> None:  # noqa: ARG001 - gunicorn's signature
    """Send a problem instead of gunicorn's page, and announce the end of the connection."""
    body = document(HTTPStatus(status), message or HTTPStatus(status).phrase)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(client, head.encode() + body)


def replace_responses() -> None:
    """Make all workers answer in these ways; call it in the main process."""
    wsgi.Response = WholeResponse
    util.write_error = write_problem
