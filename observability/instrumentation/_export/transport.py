"""Post export requests to an OTLP receiver over HTTP, on one connection that is kept open."""

from __future__ import annotations

# A host lookup imports this; if a thread did so during a fork, the child would inherit a locked
# module: CPython takes only its global import lock around a fork, not those of single modules.
import encodings.idna  # noqa: F401
import gzip
import http.client
import select
import socket
import ssl
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._multiprocess.forking import unforked
from ..settings import LOGS_PATH, TRACES_PATH
from .otlp import rejected_items
from .receiver import SLOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..settings import TelemetrySettings

# Source: OTLP 1.9 specification, "Retryable Response Codes".
_RETRYABLE = (429, 502, 503, 504)
PATHS = {"traces": TRACES_PATH, "logs": LOGS_PATH}


class Outcome(Enum):
    """The outcome of a batch."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    REFUSED = "refused"


class HttpTransport:
    """An HTTP client for encoded requests; one thread at a time uses it.

    Args:
        settings: Address, headers and timeout of the receiver.
        note_silence: Called when an answer takes more than SLOW_SECONDS.
    """

    def __init__(
        self, settings: TelemetrySettings, note_silence: Callable[[], None] = lambda: None
    ) -> None:
        self._note_silence = note_silence
        parts = urlsplit(settings.endpoint)
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._secure = parts.scheme == "https"
        self._certificate = settings.certificate
        self._prefix = parts.path.rstrip("/")
        self._timeout = settings.timeout_seconds
        self._zip = settings.compression == "gzip"
        self._headers = _headers(settings.headers, zipped=self._zip)
        self._connection: http.client.HTTPConnection | None = None

    def post(self, signal: str, body: bytes, timeout: float | None = None) -> tuple[Outcome, int]:
        """Send one request.

        Returns:
            The outcome, and how many of its items the receiver refused.

        Raises:
            OSError: when the receiver did not answer in time.
            http.client.HTTPException: when its answer is not HTTP.
        """
        if self._zip:
            body = gzip.compress(body, compresslevel=1)
        reused = self._connection is not None
        try:
            return self._exchange(signal, body, timeout)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            # A receiver may close an idle connection; if a new one fails, the receiver is down.
            if not reused:
                raise
        except BaseException:
            self.close()
            raise
        return self._exchange(signal, body, timeout)

    def close(self) -> None:
        """Close the connection; a request that is waiting for its answer fails at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()

    def forget(self) -> None:
        """Close this process's copy of a connection that the parent still uses."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            connection.sock.close()

    def _exchange(self, signal: str, body: bytes, timeout: float | None) -> tuple[Outcome, int]:
        connection = self._connected(min(timeout or self._timeout, self._timeout))
        connection.request("POST", self._prefix + PATHS[signal], body, self._headers)
        if timeout is None and not _answers(connection, SLOW_SECONDS):
            self._note_silence()
        response = connection.getresponse()
        answer = response.read(65536)
        if response.will_close or not response.isclosed():
            self.close()
        if response.status < 300:
            return Outcome.ACCEPTED, rejected_items(answer)
        return (Outcome.RETRY if response.status in _RETRYABLE else Outcome.REFUSED), 0

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
            return self._connection
        opened = open_socket(self._host, self._port, timeout)
        try:
            with unforked():
                self._connection = self._new_connection(opened, timeout)
        except BaseException:
            opened.close()
            raise
        return self._connection

    def _new_connection(self, opened: socket.socket, timeout: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        if self._secure:
            context = ssl.create_default_context(cafile=self._certificate or None)
            opened = context.wrap_socket(opened, server_hostname=self._host)
        connection.sock = opened
        return connection


def open_socket(host: str, port: int, timeout: float | None) -> socket.socket:
    """Connect to the first address that answers; only the name lookup holds up forks.

    Raises:
        OSError: when no address answers in time.
    """
    with unforked():
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found[:-1]:
        with suppress(OSError):
            return _connect(socket.socket(family, kind, protocol), address, timeout)
    family, kind, protocol, _, address = found[-1]
    return _connect(socket.socket(family, kind, protocol), address, timeout)


def _connect(made: socket.socket, address: Any, timeout: float | None) -> socket.socket:
    made.settimeout(timeout)
    try:
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _answers(connection: http.client.HTTPConnection, seconds: float) -> bool:
    """Return whether the first bytes of an answer arrive in time."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _headers(extra: Mapping[str, str], *, zipped: bool) -> dict[str, str]:
    headers = {"Content-Type": "application/x-protobuf", **extra}
    return {**headers, "Content-Encoding": "gzip"} if zipped else headers
