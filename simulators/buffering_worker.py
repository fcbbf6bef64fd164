"""A gunicorn worker that slow clients cannot stop.

gthread gives each connection that has sent something to a thread, which then waits for the rest of
the request: as many slow clients as there are threads stop it. This one reads requests in its event
loop, and gives a thread only those that have arrived whole.
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from service.web.limits import LARGEST_BODY_BYTES, LARGEST_HEADERS_BYTES

MOST_CONNECTIONS = 200
# For a whole request, and for a client that does not read its response.
REQUEST_SECONDS = 30.0
SEND_SECONDS = 10
END_SECONDS = 2.0
_SEND_TIMEOUT = struct.pack("ll", SEND_SECONDS, 0)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_TOO_LARGE = (
    b"HTTP/1.1 %s\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
    b'Content-Length: 25\r\n\r\n{"title": "Too large"}   '
)


class TooLargeError(Exception):
    """A request whose head or body exceeds its limit; its argument is the status."""


class BufferingWorker(ThreadWorker):  # type: ignore[misc]
    """gthread, for requests that have arrived whole."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # What has arrived of each request, and until when the rest must; the first is due first.
        self._arriving: dict[TConn, tuple[bytearray, float]] = {}
        # Until when the clients of connections that end may read their last response.
        self._ending: dict[TConn, float] = {}

    def enqueue_req(self, conn: TConn) -> None:
        """Read a connection's next request, which may have come with the one before."""
        ahead = conn.parser.unreader.take_buffered() if conn.parser else b""
        self._arriving[conn] = bytearray(ahead), time.monotonic() + REQUEST_SECONDS
        conn.sock.setblocking(False)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
        self._continue(conn)
        if self.nr_conns > MOST_CONNECTIONS:
            self._make_room()

    def handle(self, conn: TConn) -> Any:
        """Answer a request that has arrived, in a thread."""
        conn.init()
        conn.parser.unreader.unread(conn.arrived)
        return super().handle(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Keep a connection, or end it without waiting for its client, as gthread does for 2 s."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._end(conn)

    def murder_pending(self) -> None:
        """Close what has not arrived in time, and, while stopping, what has not begun."""
        super().murder_pending()
        now = time.monotonic()
        for conn, (arrived, due) in list(self._arriving.items()):
            if due < now or not (arrived or self.alive):
                self._drop(conn)
        for conn, due in list(self._ending.items()):
            if due < now:
                self._drop(conn)

    def _receive(self, conn: TConn, _: Any) -> None:
        try:
            data = conn.sock.recv(LARGEST_BODY_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        self._arriving[conn][0].extend(data)
        self._continue(conn)

    def _continue(self, conn: TConn) -> None:
        arrived, _ = self._arriving[conn]
        try:
            if not is_whole(arrived):
                return
        except TooLargeError as error:
            self._forget(conn)
            with suppress(OSError):
                conn.sock.send(_TOO_LARGE % error.args[0])
            self._end(conn)
            return
        self._forget(conn)
        conn.arrived, conn.data_ready = bytes(arrived), True
        super().enqueue_req(conn)

    def _make_room(self) -> None:
        """Close the connection that has waited longest, for its request or for another one."""
        if waiting := self._ending or self._arriving:
            self._drop(next(iter(waiting)))
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)

    def _end(self, conn: TConn) -> None:
        """Send the end of the last response, and close once the client has done so too.

        Closing with unread bytes would discard what the client has not read.
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.sock.setblocking(False)
        self._ending[conn] = time.monotonic() + END_SECONDS
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))

    def _discard(self, conn: TConn, _: Any) -> None:
        with suppress(BlockingIOError):
            try:
                if conn.sock.recv(LARGEST_BODY_BYTES):
                    return
            except ConnectionError:
                pass
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self._forget(conn)
        self._close(conn)

    def _forget(self, conn: TConn) -> None:
        self._arriving.pop(conn, None)
        self._ending.pop(conn, None)
        self.poller.unregister(conn.sock)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def is_whole(request: bytearray) -> bool:
    """Return whether a request has arrived, or is so malformed that more of it does not matter.

    Raises:
        TooLargeError: It will never be accepted.
    """
    end = request.find(b"\r\n\r\n")
    if end > LARGEST_HEADERS_BYTES or (end < 0 and len(request) > LARGEST_HEADERS_BYTES):
        raise TooLargeError(b"431 Request Header Fields Too Large")
    if end < 0:
        return False
    head, body = bytes(request[: end + 2]), end + 4
    if len(request) - body > 2 * LARGEST_BODY_BYTES:
        raise TooLargeError(b"413 Content Too Large")
    if _CHUNKED.search(head):
        return _has_last_chunk(request, body)
    length = _LENGTH.search(head)
    if length and int(length[1]) > LARGEST_BODY_BYTES:
        raise TooLargeError(b"413 Content Too Large")
    return not length or len(request) - body >= int(length[1])


def _has_last_chunk(request: bytearray, at: int) -> bool:
    while (end := request.find(b"\r\n", at)) >= 0:
        try:
            size = int(request[at:end].partition(b";")[0], 16)
        except ValueError:
            return True
        if size <= 0:
            return size < 0 or request.find(b"\r\n\r\n", end) >= 0
        at = end + 2 + size + 2
    return False
