"""The state of a request in progress."""

from __future__ import annotations

import socket
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import INVALID_SPAN
from werkzeug.exceptions import HTTPException

from .. import semconv

if TYPE_CHECKING:
    from opentelemetry.trace import Span
    from werkzeug.routing import Map, Rule

# Private (`_ENVIRON_SPAN_KEY`): where contrib's instrumentor leaves its span, which ends before a
# stream does: https://github.com/open-telemetry/opentelemetry-python-contrib/issues/3402
_CONTRIB_SPAN = "opentelemetry-flask.span_key"
KNOWN_METHODS = frozenset(semconv.KNOWN_METHODS)
# Prefixes come from the server's configuration or a proxy; a client that could choose its own must
# not make new series.
MOST_PREFIXES = 64
# The errors with which a server takes back the socket of a WebSocket after its end.
_SOCKET_TAKEN = (StopIteration, ConnectionError)
_prefixes: set[str] = set()
# A client that leaves sooner may have changed its mind; later, a proxy or a person gave up.
PATIENCE_SECONDS = 1.0


class RequestState:
    """The state of a request in progress."""

    __slots__ = (
        "answered",
        "environ",
        "error",
        "handled",
        "method",
        "route",
        "span",
        "started",
        "status",
        "streams",
        "token",
    )

    def __init__(self, environ: dict[str, Any]) -> None:
        method = environ.get("REQUEST_METHOD", "")
        self.environ = environ
        self.method = method if method in KNOWN_METHODS else semconv.OTHER
        self.span: Span = INVALID_SPAN
        self.token: Any = None
        self.route: str | None = None
        self.status = 500
        self.streams = True
        self.answered = False
        self.error: BaseException | None = None
        self.handled: Exception | None = None
        self.started = perf_counter()

    def current_span(self) -> Span:
        """Return the span of this kit, or of contrib's instrumentor."""
        if self.token is not None:
            return self.span
        found: Span = self.environ.get(_CONTRIB_SPAN, INVALID_SPAN)
        return found

    def note_gone_client(self) -> None:
        """Make the status 504 if the client gave up waiting before there was a response.

        A proxy has then answered 504 itself; whatever the app answers now, it did not arrive.
        """
        waited = perf_counter() - self.started
        if waited > PATIENCE_SECONDS and self.status < 500 and _has_gone(self.environ):
            self.status = HTTPStatus.GATEWAY_TIMEOUT.value

    def learn_route(self) -> None:
        """Keep the template of the route that matched; Flask drops it when the request ends.

        It begins with the prefix under which the app is mounted.
        """
        rule = getattr(self.environ.get("werkzeug.request"), "url_rule", None)
        if rule is not None:
            self._keep(rule)

    def match(self, url_map: Map) -> None:
        """Find the route of a request that ended without a response, which Flask has dropped."""
        with suppress(HTTPException):
            rule, _ = url_map.bind_to_environ(self.environ).match(return_rule=True)
            self._keep(rule)

    def _keep(self, rule: Rule) -> None:
        prefix = self.environ.get("SCRIPT_NAME")
        if not prefix:
            self.route = rule.rule
        elif prefix in _prefixes or len(_prefixes) < MOST_PREFIXES:
            _prefixes.add(prefix)
            self.route = decoded(prefix) + rule.rule

    def became_websocket(self, error: BaseException | None = None) -> bool:
        """Return whether the request ended as a WebSocket, which has no HTTP response."""
        return (
            not self.answered
            and (error is None or isinstance(error, _SOCKET_TAKEN))
            and self.environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        )

    def differs(self) -> bool:
        """Return whether OpenTelemetry's instrumentor describes the request in another way.

        It takes neither the prefix of a mounted app nor UTF-8 from WSGI's texts, and knows the
        status of a request that failed, but not the exception.
        https://github.com/open-telemetry/opentelemetry-python-contrib/issues/3237
        """
        get = self.environ.get
        texts = (get("PATH_INFO", ""), get("QUERY_STRING", ""), get("HTTP_USER_AGENT", ""))
        return bool(
            self.error is not None
            or get("SCRIPT_NAME")
            or not all(text.isascii() for text in texts)
        )

    def path(self) -> str:
        """Return the path that the client asked for."""
        environ = self.environ
        return decoded(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))


def decoded(text: str) -> str:
    """Return a text of WSGI's environment, whose characters are bytes, as the UTF-8 that it is.

    Source: PEP 3333, section "Unicode Issues".
    """
    if text.isascii():
        return text
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _has_gone(environ: dict[str, Any]) -> bool:
    """Return whether the client closed its connection, as far as the server shows it."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if type(connection) is not socket.socket:  # TLS allows no look at what is waiting
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
