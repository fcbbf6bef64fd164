"""Forward the pages' queries to Prometheus and Alertmanager, read-only."""

from __future__ import annotations

import functools
import http.client
import re
import string
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
from flask import Blueprint, Response, request

from local.console.forward import authorization

if TYPE_CHECKING:
    from local.console.settings import ConsoleSettings

TIMEOUT_SECONDS = 30.0
_PROMETHEUS = re.compile(
    r"api/v1/(query|query_range|query_exemplars|labels|label/[^/]+/values|series|metadata|rules"
    r"|alerts|targets|status/(buildinfo|flags|runtimeinfo|tsdb))"
)
_ALERTMANAGER = re.compile(r"api/v2/(alerts|alerts/groups|status|silences|receivers)")


def upstream_blueprint(settings: ConsoleSettings) -> Blueprint:
    """Return the routes that forward a query to its server."""
    api = Blueprint("upstream", __name__, url_prefix="/api")
    headers = {"Accept": "application/json", **authorization(settings)}
    forward = functools.partial(_forward, headers)

    @api.get("/prometheus/<path:path>")
    def prometheus(path: str) -> Response:
        return forward("Prometheus", settings.prometheus_server_port, path, _PROMETHEUS)

    @api.get("/alertmanager/<path:path>")
    def alertmanager(path: str) -> Response:
        return forward("Alertmanager", settings.alertmanager_server_port, path, _ALERTMANAGER)

    return api


def _forward(
    headers: dict[str, str], name: str, port: int, path: str, allowed: re.Pattern[str]
) -> Response:
    if not allowed.fullmatch(path):
        return _failure(404, "not_found", f"the console does not forward /{path[:100]} to {name}")
    # Quotes what a request line cannot contain, and leaves what is quoted already.
    query = quote(request.query_string, safe=string.printable.strip())
    try:
        status, kind, body = _get(port, f"/{quote(path)}?{query}", headers)
    except (OSError, http.client.HTTPException) as error:
        return _failure(502, "unavailable", f"{name} at 127.0.0.1:{port}: {error or 'no answer'}")
    if status >= 400 and "json" not in kind:
        said = body[:500].decode(errors="replace").strip()
        return _failure(status, "refused", f"{name} at 127.0.0.1:{port} answered {status}: {said}")
    return Response(body, status, content_type=kind)


def _get(port: int, target: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """Return status, content type and body of a GET on loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        kind = answer.headers.get("Content-Type", "application/json")
        return answer.status, kind, answer.read()
    finally:
        connection.close()


def _failure(status: int, kind: str, message: str) -> Response:
    body = orjson.dumps({"status": "error", "errorType": kind, "error": message})
    return Response(body, status, mimetype="application/json")
