"""Describe an HTTP request as a server saw it.

Source: OpenTelemetry semantic conventions 1.40, HTTP server spans.
"""

from __future__ import annotations

from typing import Any

from . import semconv


def server_attributes(
    environ: dict[str, Any], method: str, route: str | None, status: int
) -> dict[str, Any]:
    """Return the attributes of a SERVER span, those that contrib's instrumentor sets."""
    get = environ.get
    found: dict[str, Any] = {
        semconv.ATTR_HTTP_REQUEST_METHOD: method,
        semconv.ATTR_URL_SCHEME: get("wsgi.url_scheme"),
        semconv.ATTR_HTTP_RESPONSE_STATUS_CODE: status,
        semconv.ATTR_URL_PATH: get("PATH_INFO", ""),
    }
    if method == semconv.OTHER:
        found[semconv.ATTR_HTTP_REQUEST_METHOD_ORIGINAL] = get("REQUEST_METHOD", "")[:64]
    if route:
        found[semconv.ATTR_HTTP_ROUTE] = route
    if status >= 500:
        found[semconv.ATTR_ERROR_TYPE] = str(status)
    for name, key in _TEXTS:
        value = get(key)
        if value:
            found[name] = value
    _add_ports(found, environ)
    version = get("SERVER_PROTOCOL", "")
    if version:
        found[semconv.ATTR_NETWORK_PROTOCOL_VERSION] = version.removeprefix("HTTP/")
    return found


_TEXTS = (
    (semconv.ATTR_URL_QUERY, "QUERY_STRING"),
    (semconv.ATTR_SERVER_ADDRESS, "HTTP_HOST"),
    (semconv.ATTR_CLIENT_ADDRESS, "REMOTE_ADDR"),
    (semconv.ATTR_USER_AGENT, "HTTP_USER_AGENT"),
)


def _add_ports(found: dict[str, Any], environ: dict[str, Any]) -> None:
    for name, key in (
        (semconv.ATTR_SERVER_PORT, "SERVER_PORT"),
        (semconv.ATTR_CLIENT_PORT, "REMOTE_PORT"),
    ):
        value = environ.get(key)
        if value:
            found[name] = int(value)
