"""The hosts that a server answers for, so that no page of another site can use it.

A page may send requests to any port of the machine that its reader sits at, and read the answers
once its name resolves to that machine (DNS rebinding). Two headers tell: `Host` is then the page's
name, and `Origin` is the page's address. Source: RFC 9110, sections 4.2.3, 7.2 and 15.5.20; Fetch
standard, section "Origin header".
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from .parsers import words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ANY = "*"
# Pages under these names come from this machine.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# No public DNS has names without a dot or below these: Compose and Kubernetes use them.
PRIVATE_ENDINGS = (".localhost", ".internal", ".svc", ".cluster.local")
_NAME = r"\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_HOST = re.compile(rf"({_NAME})\.?(?::\d{{0,5}})?", re.ASCII | re.IGNORECASE)
_ORIGIN = re.compile(rf"https?://(({_NAME})\.?(?::\d{{0,5}})?)", re.ASCII | re.IGNORECASE)
_LISTED = re.compile(rf"\*|\.?({_NAME})", re.ASCII | re.IGNORECASE)
_LONGEST_SHOWN = 100


@dataclass(frozen=True)
class Refusal:
    """Why a request is not served.

    Args:
        status: 400, 403 or 421.
        reason: A sentence for a person.
    """

    status: HTTPStatus
    reason: str


_NO_HOST = Refusal(HTTPStatus.BAD_REQUEST, "expected one Host header with the name of a host")


@dataclass(frozen=True)
class TrustedHosts:
    """The names under which a server may be reached.

    IP addresses, names without a dot and names with one of PRIVATE_ENDINGS are always among them:
    rebinding needs a public name.

    Args:
        names: Further names; `.shop.example` includes every name below it, `*` is any.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> TrustedHosts:
        """Parse comma-separated names."""
        names = words(text.lower())
        if not all(_LISTED.fullmatch(name) for name in names):
            raise ValueError("host names without ports, separated by commas, or *")
        return cls(names)

    def refusal(self, environ: WSGIEnvironment) -> Refusal | None:
        """Return why a request is refused, or None if it may be served."""
        target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "CONNECT" or not target.startswith(("/", "*")):
            return Refusal(HTTPStatus.BAD_REQUEST, "not a proxy: expected a path, not an address")
        if ANY in self.names:
            return None
        host = environ.get("HTTP_HOST", "")
        # Only HTTP/1.0 allows a request without a host, and no browser sends one.
        if not (host or environ.get("SERVER_PROTOCOL") in ("HTTP/0.9", "HTTP/1.0")):
            return _NO_HOST
        return (self._host_refusal(host) if host else None) or self._origin_refusal(
            environ.get("HTTP_ORIGIN"), host
        )

    def guard(self, app: WSGIApplication) -> WSGIApplication:
        """Return an application that answers what is refused in plain text."""

        def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            refusal = self.refusal(environ)
            if refusal is None:
                return app(environ, start_response)
            body = f"{refusal.reason}\n".encode()
            kind = ("Content-Type", "text/plain; charset=utf-8")
            headers = [kind, ("Content-Length", str(len(body)))]
            start_response(f"{refusal.status.value} {refusal.status.phrase}", headers)
            return [body]

        return guarded

    def _host_refusal(self, host: str) -> Refusal | None:
        match = _HOST.fullmatch(host)
        if match is None:
            return _NO_HOST
        name = match[1].lower()
        if _cannot_be_public(name) or self._lists(name):
            return None
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"unknown host {name[:_LONGEST_SHOWN]}; add it to the trusted hosts if it is yours",
        )

    def _origin_refusal(self, origin: str | None, host: str) -> Refusal | None:
        match = _ORIGIN.fullmatch(origin or "")
        if origin is None or (match and self._is_ours(match[1], match[2].lower(), host)):
            return None
        shown = match[1][:_LONGEST_SHOWN] if match else "another site"
        return Refusal(
            HTTPStatus.FORBIDDEN,
            f"sent by a page of {shown}; add its host to the trusted hosts if it is yours",
        )

    def _is_ours(self, address: str, name: str, host: str) -> bool:
        """Return whether a page is of this server itself, of this machine, or of a listed host."""
        return address.lower() == host.lower() or name in LOOPBACK or self._lists(name)

    def _lists(self, name: str) -> bool:
        return any(
            listed == name or (listed.startswith(".") and f".{name}".endswith(listed))
            for listed in self.names
        )


@functools.lru_cache(maxsize=1024)
def _cannot_be_public(name: str) -> bool:
    if "." not in name or name.endswith(PRIVATE_ENDINGS):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
