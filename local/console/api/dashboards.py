"""Serve Grafana dashboards from their files; the page draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify

from dashboards.reader.files import DashboardError, read_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.console.settings import ConsoleSettings

Read = tuple[dict[str, Any], str]


def dashboards_blueprint(settings: ConsoleSettings) -> Blueprint:
    """Return the routes under /api/dashboards; a file is read again after it has changed."""
    api = Blueprint("dashboards", __name__, url_prefix="/api/dashboards")
    shelf = _Shelf(settings.dashboards_dir)

    @api.get("")
    def listing() -> Response:
        return jsonify(dashboards=[_summary(*one) for one in shelf.all()])

    @api.get("/<uid>")
    def dashboard(uid: str) -> Response | tuple[Response, int]:
        for path, model, problem in shelf.all():
            if uid in (model.get("uid"), path.stem):
                return (jsonify(error=problem), 422) if problem else jsonify(model)
        return jsonify(error=f"no dashboard has the uid {uid[:100]!r}"), 404

    return api


class _Shelf:
    """The dashboards of a folder, each read once per version of its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[object, Read]] = {}

    def all(self) -> Iterator[tuple[Path, dict[str, Any], str]]:
        """Yield path, model and problem; a file with a problem has an empty model."""
        for path in sorted(self._folder.rglob("*.json")):
            yield path, *self._one(path)

    def _one(self, path: Path) -> Read:
        version = _version(path)
        held = self._read.get(path)
        if held and held[0] == version:
            return held[1]
        try:
            found: Read = (read_model(path), "")
        except DashboardError as error:
            found = ({}, str(error).replace(str(path), path.name))
        self._read[path] = (version, found)
        return found


def _version(path: Path) -> object:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size


def _summary(path: Path, model: dict[str, Any], problem: str) -> dict[str, Any]:
    return {
        "uid": model.get("uid", path.stem),
        "title": model.get("title", path.stem),
        "description": model.get("description", ""),
        "tags": model.get("tags", []),
        "file": path.name,
        "problem": problem,
    }
