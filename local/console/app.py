"""Assemble the console's Flask application: pages, API, security headers."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, InternalServerError

from local.console.api.dashboards import dashboards_blueprint
from local.console.api.logs import logs_blueprint
from local.console.api.loki import loki_blueprint
from local.console.api.mail import mail_blueprint, mailpit_blueprint
from local.console.api.runbooks import runbooks_blueprint
from local.console.api.tempo import tempo_blueprint
from local.console.api.traces import traces_blueprint
from local.console.api.upstream import upstream_blueprint
from local.console.pages import pages_blueprint
from local.store.errors import BadQueryError, StoreError
from local.store.metrics.exposition import Exposition

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.console.settings import ConsoleSettings
    from local.store.store import Store

_log = logging.getLogger(__name__)
API_PATHS = ("/api/", "/loki/", "/tempo/")
STATIC = Path(__file__).resolve().parent / "static"
# Everything is loaded from this origin; scripts set styles through the DOM, never as text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


def create_app(settings: ConsoleSettings, store: Store, problem: Callable[[], str]) -> Flask:
    """Return the application that the pages' port and the mail port serve.

    Args:
        settings: The servers that it queries, and its limits.
        store: What it shows.
        problem: Return why the console does not work, empty if it does; for `/livez`.
    """
    app = Flask("console", static_folder=str(STATIC), static_url_path="/static")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 31536000
    _add_probes(app, store, problem)
    for blueprint in (
        pages_blueprint(settings, store, version=_version()),
        traces_blueprint(store),
        logs_blueprint(store),
        mail_blueprint(store),
        mailpit_blueprint(store),
        upstream_blueprint(settings),
        runbooks_blueprint(settings),
        dashboards_blueprint(settings),
        loki_blueprint(store),
        tempo_blueprint(store),
    ):
        app.register_blueprint(blueprint)
    app.register_error_handler(BadQueryError, _bad_query)
    app.register_error_handler(StoreError, _store_failed)
    app.register_error_handler(sqlite3.Error, _store_unreadable)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failed)
    app.after_request(_add_headers)
    return app


def _add_probes(app: Flask, store: Store, problem: Callable[[], str]) -> None:
    exposition = Exposition(store)

    @app.get("/livez")
    def livez() -> Response:
        found = problem()
        return Response(found or "ok", 503 if found else 200, mimetype="text/plain")

    @app.get("/metrics")
    def metrics() -> Response:
        kind, body = exposition.scrape(request.headers.get("Accept", ""))
        return Response(body, content_type=kind)


def _add_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if "Cache-Control" not in response.headers or "v" not in request.args:
        response.headers["Cache-Control"] = "no-cache"
    return response


def _bad_query(error: BadQueryError) -> tuple[Response, int]:
    return jsonify(error=str(error)), 400


def _store_failed(error: StoreError) -> tuple[Response, int]:
    return jsonify(error=str(error)), 503


def _store_unreadable(error: sqlite3.Error) -> tuple[Response, int]:
    return jsonify(error=f"the store cannot be read: {error}"), 503


def _http_error(error: HTTPException) -> Any:
    """Answer with JSON under the API's paths, with text elsewhere; never with HTML."""
    if error.response is not None or error.code is None or error.code < 400:
        return error
    path = request.path[:200]
    sentence = {
        404: f"unknown path {path}",
        405: f"{path} does not take {request.method[:20]}",
    }.get(error.code, str(error.description))
    if path.startswith(API_PATHS):
        response: Response = jsonify(error=sentence)
    elif error.code == 404:
        response = Response(f"There is no page at {path!r}.\n", mimetype="text/plain")
    else:
        response = Response(f"{sentence}\n", mimetype="text/plain")
    response.status_code = error.code
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(allowed)
    return response


def _failed(error: Exception) -> Any:
    """Log an error of our own with its traceback, and answer as for any other."""
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _http_error(InternalServerError("the console failed on this request; its log says why"))


def _version() -> str:
    """Return a digest of the scripts and styles, so that browsers reload them after a change."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*.[jc]s*")):
        digest.update(f"{path.name}{path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()[:12]
