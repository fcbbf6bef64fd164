"""Assemble the console's Flask application: pages, API, security headers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

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
    from werkzeug.exceptions import HTTPException

    from local.console.settings import ConsoleSettings
    from local.store.store import Store

STATIC = Path(__file__).resolve().parent / "static"
# Everything is loaded from this origin; scripts set styles through the DOM, never as text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


def create_app(settings: ConsoleSettings, store: Store) -> Flask:
    """Return the application that the pages' port and the mail port serve."""
    app = Flask("console", static_folder=str(STATIC), static_url_path="/static")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 31536000
    _add_probes(app, store)
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
    app.register_error_handler(404, _not_found)
    app.after_request(_add_headers)
    return app


def _add_probes(app: Flask, store: Store) -> None:
    exposition = Exposition(store)

    @app.get("/livez")
    def livez() -> Response:
        return Response("ok", mimetype="text/plain")

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


def _not_found(_: HTTPException) -> Any:
    if request.path.startswith(("/api/", "/loki/", "/tempo/")):
        return jsonify(error=f"unknown path {request.path[:200]}"), 404
    return Response(f"There is no page at {request.path[:200]!r}.\n", 404, mimetype="text/plain")


def _version() -> str:
    """Return a digest of the scripts and styles, so that browsers reload them after a change."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*.[jc]s*")):
        digest.update(f"{path.name}{path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()[:12]
