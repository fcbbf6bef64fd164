"""Serve Grafana dashboards from their files; the page draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from flask import Blueprint, Response, jsonify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.console.settings import ConsoleSettings


def dashboards_blueprint(settings: ConsoleSettings) -> Blueprint:
    """Return the routes under /api/dashboards; files are read at each request."""
    api = Blueprint("dashboards", __name__, url_prefix="/api/dashboards")

    @api.get("")
    def listing() -> Response:
        return jsonify(dashboards=[_summary(*one) for one in _read(settings.dashboards_dir)])

    @api.get("/<uid>")
    def dashboard(uid: str) -> Response | tuple[Response, int]:
        for path, document in _read(settings.dashboards_dir):
            if uid in (document.get("uid"), path.stem):
                if "panels" not in document:
                    return jsonify(error=f"{path.name} {document['problem']}"), 422
                return jsonify(document)
        return jsonify(error=f"no dashboard has the uid {uid[:100]!r}"), 404

    return api


def _summary(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    tags = document.get("tags") or []
    return {
        "uid": document.get("uid") or path.stem,
        "title": document.get("title") or path.stem,
        "description": document.get("description") or "",
        "tags": tags if isinstance(tags, list) else [str(tags)],
        "file": path.name,
        "problem": document.get("problem", ""),
    }


def _read(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.json")):
        try:
            document = orjson.loads(path.read_bytes())
        except (orjson.JSONDecodeError, OSError) as error:
            yield path, {"problem": f"cannot be read: {error}"}
            continue
        document = document.get("dashboard", document) if isinstance(document, dict) else None
        if isinstance(document, dict) and "panels" in document:
            yield path, document
        else:
            yield path, {"problem": "is not a dashboard: it has no panels"}
