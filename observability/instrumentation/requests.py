"""Instrument a requests session: CLIENT spans, and trace context in the headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind, StatusCode

from . import semconv
from .metrics import bounded
from .propagation import TraceContext
from .spans import client_span

if TYPE_CHECKING:
    import requests

    from .telemetry import Telemetry


def instrument_session(session: requests.Session, telemetry: Telemetry) -> requests.Session:
    """Give a session's requests spans and a `traceparent` header.

    Args:
        session: The session to instrument; a second call does nothing.
        telemetry: Its tracer makes the spans.

    Returns:
        The same session.
    """
    if "send" in vars(session):
        return session
    plain_send = session.send

    def send(request: requests.PreparedRequest, **options: Any) -> requests.Response:
        method = bounded(request.method or "", semconv.KNOWN_METHODS)
        attributes = _attributes(method, request.url or "")
        name = "HTTP" if method == semconv.OTHER else method
        with client_span(telemetry, name, attributes, kind=SpanKind.CLIENT) as span:
            request.headers.update(TraceContext.current().to_headers())
            response = plain_send(request, **options)
            span.set_attribute(semconv.ATTR_HTTP_RESPONSE_STATUS_CODE, response.status_code)
            if response.status_code >= 400:
                span.set_attribute(semconv.ATTR_ERROR_TYPE, str(response.status_code))
                span.set_status(StatusCode.ERROR)
            return response

    session.send = send  # type: ignore[method-assign]
    return session


def _attributes(method: str, url: str) -> dict[str, Any]:
    """Return the attributes of a request; its URL without user, password and query."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return {
        semconv.ATTR_HTTP_REQUEST_METHOD: method,
        semconv.ATTR_SERVER_ADDRESS: host,
        semconv.ATTR_SERVER_PORT: port,
        semconv.ATTR_URL_FULL: f"{parts.scheme}://{shown}:{port}{parts.path}",
    }
