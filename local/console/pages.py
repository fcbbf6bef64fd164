"""The pages: one HTML frame, in which a script per page draws the API's responses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import orjson
from flask import Blueprint, jsonify, redirect, render_template, request

from local.console.modules import imported
from local.store.queries import logs
from local.store.store import row_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

    from local.console.settings import ConsoleSettings
    from local.store.store import Store

SCRIPTS = Path(__file__).resolve().parent / "static" / "js"
# Path: script and title.
_PAGES = {
    "/": ("home", "Home"),
    "/explore": ("metrics", "Metrics"),
    "/traces": ("traces", "Traces"),
    "/trace/<trace_id>": ("trace", "Trace"),
    "/logs": ("logs", "Logs"),
    "/alerts": ("alerts", "Alerts"),
    "/alerts/rules": ("rules", "Rules"),
    "/runbook/<name>": ("runbook", "Runbook"),
    "/mails": ("mails", "Emails"),
    "/dashboards": ("dashboards", "Dashboards"),
    "/d/<uid>": ("dashboard", "Dashboard"),
    "/d/<uid>/<slug>": ("dashboard", "Dashboard"),
}


def pages_blueprint(settings: ConsoleSettings, store: Store, *, version: str) -> Blueprint:
    """Return the pages; the version is part of every URL of a script or style."""
    pages = Blueprint("pages", __name__, template_folder="templates")
    for address, (script, title) in _PAGES.items():
        pages.add_url_rule(address, f"{script}{address.count('/')}", _page(script, title))

    @pages.context_processor
    def template_values() -> dict[str, str]:
        facts = {
            "profile": settings.profile,
            "service": f"http://127.0.0.1:{settings.orders_port}",
            "prometheus": f"127.0.0.1:{settings.prometheus_port}",
            "alertmanager": f"127.0.0.1:{settings.alertmanager_port}",
        }
        return {
            "version": version,
            "profile": settings.profile,
            "facts": orjson.dumps(facts).decode(),
        }

    @pages.get("/graph")
    def graph() -> BaseResponse:
        """Answer a link from an alert to its query, which Prometheus makes for its own page."""
        expression = request.args.get("g0.expr", "")
        return redirect(f"/explore?{urlencode({'expr': expression})}")

    @pages.get("/api/store")
    def store_facts() -> Response:
        connection = store.reader()
        return jsonify(rows=row_counts(connection), last_log_id=logs.last_id(connection))

    return pages


def _page(script: str, title: str) -> Callable[..., str]:
    modules = imported(SCRIPTS, f"pages/{script}.js")

    def page(**_: str) -> str:
        return render_template("page.html", script=script, title=title, modules=modules)

    return page
