"""Serve the runbooks from their files; the page turns their Markdown into elements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify

if TYPE_CHECKING:
    from pathlib import Path

    from local.console.settings import ConsoleSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,100}")


def runbooks_blueprint(settings: ConsoleSettings) -> Blueprint:
    """Return the routes under /api/runbooks."""
    api = Blueprint("runbooks", __name__, url_prefix="/api/runbooks")

    @api.get("")
    def names() -> Response:
        found = sorted(path.stem for path in settings.runbooks_dir.glob("*.md"))
        return jsonify(runbooks=found)

    @api.get("/<name>")
    def runbook(name: str) -> Response | tuple[Response, int]:
        path = find_runbook(settings.runbooks_dir, name)
        if path is None:
            return jsonify(error=f"no runbook {name[:100]!r}"), 404
        return jsonify(name=path.stem, markdown=path.read_text(encoding="utf-8"))

    return api


def find_runbook(folder: Path, name: str) -> Path | None:
    """Return a runbook's file; case, `-` and `_` do not matter."""
    if not _NAME.fullmatch(name):
        return None
    wanted = _plain(name)
    return next((path for path in folder.glob("*.md") if _plain(path.stem) == wanted), None)


def _plain(name: str) -> str:
    return re.sub(r"[-_]", "", name).lower()
