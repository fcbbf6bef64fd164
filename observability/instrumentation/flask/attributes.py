"""The span attributes of an HTTP request, as its server sees it.

Source: OpenTelemetry semantic conventions 1.40, HTTP server spans.
"""

from __future__ import annotations

from typing import Any

from .. import semconv


def server_attributes(
    environ: dict[str, Any], method: str, route: str | None, status: int
) -> dict[str, Any]:
    """Return the attributes of a SERVER span, the same that OpenTelemetry's instrumentor sets."""
    get = environ.get
    found: dict[str, Any] = {
        semconv.ATTR_HTTP_REQUEST_METHOD: method,
        semconv.ATTR_URL_SCHEME: get("wsgi.url_scheme"),
        semconv.ATTR_HTTP_RESPONSE_STATUS_CODE: status,
        semconv.ATTR_URL_PATH: get("PATH_INFO", ""),
        semconv.ATTR_URL_QUERY: get("QUERY_STRING") or None,
        semconv.ATTR_HTTP_ROUTE: route,
        semconv.ATTR_SERVER_ADDRESS: get("HTTP_HOST"),
        semconv.ATTR_SERVER_PORT: _number(get("SERVER_PORT")),
        semconv.ATTR_CLIENT_ADDRESS: get("REMOTE_ADDR"),
        semconv.ATTR_CLIENT_PORT: _number(get("REMOTE_PORT")),
        semconv.ATTR_USER_AGENT: get("HTTP_USER_AGENT"),
        semconv.ATTR_NETWORK_PROTOCOL_VERSION: get("SERVER_PROTOCOL", "HTTP/1.1")[5:],
    }
    if method == semconv.OTHER:
        found[semconv.ATTR_HTTP_REQUEST_METHOD_ORIGINAL] = get("REQUEST_METHOD", "")[:64]
    if status >= 500:
        found[semconv.ATTR_ERROR_TYPE] = str(status)
    return {key: value for key, value in found.items() if value is not None}


def _number(text: str | None) -> int | None:
    return int(text) if text else None
