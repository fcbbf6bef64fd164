"""The span attributes of an HTTP request, as its server sees it.

Source: OpenTelemetry semantic conventions 1.40, HTTP server spans.
"""

from __future__ import annotations

from typing import Any

from .. import semconv
from .request import decoded


def server_attributes(
    environ: dict[str, Any], path: str, method: str, route: str | None, status: int
) -> dict[str, Any]:
    """Return the attributes of a SERVER span, the same that OpenTelemetry's instrumentor sets."""
    get = environ.get
    found: dict[str, Any] = {
        semconv.ATTR_HTTP_REQUEST_METHOD: method,
        semconv.ATTR_URL_SCHEME: get("wsgi.url_scheme"),
        semconv.ATTR_HTTP_RESPONSE_STATUS_CODE: status,
        semconv.ATTR_URL_PATH: path,
        semconv.ATTR_URL_QUERY: decoded(get("QUERY_STRING", "")) or None,
        semconv.ATTR_HTTP_ROUTE: route,
        semconv.ATTR_SERVER_ADDRESS: decoded(get("HTTP_HOST", "")) or None,
        semconv.ATTR_SERVER_PORT: _number(get("SERVER_PORT")),
        semconv.ATTR_CLIENT_ADDRESS: get("REMOTE_ADDR"),
        semconv.ATTR_CLIENT_PORT: _number(get("REMOTE_PORT")),
        semconv.ATTR_USER_AGENT: decoded(get("HTTP_USER_AGENT", "")) or None,
        semconv.ATTR_NETWORK_PROTOCOL_VERSION: get("SERVER_PROTOCOL", "HTTP/1.1")[5:],
    }
    if method == semconv.OTHER:
        found[semconv.ATTR_HTTP_REQUEST_METHOD_ORIGINAL] = decoded(get("REQUEST_METHOD", ""))[:64]
    if status >= 500:
        found[semconv.ATTR_ERROR_TYPE] = str(status)
    return {key: value for key, value in found.items() if value is not None}


def _number(text: object) -> int | None:
    # A server on a Unix socket puts its path here, and a proxy whatever its client sends.
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdecimal() else None
