"""Files of dashboards, read with bounds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from dashboards.reader.model import current_model
from dashboards.reader.shapes import Json, mapping

MAX_BYTES = 8 * 1024 * 1024


class DashboardError(ValueError):
    """Error of a file that is not a dashboard: its name, and what was expected."""


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the JSON files of files and folders.

    Raises:
        DashboardError: There is no file.
    """
    files = [f for p in paths for f in (sorted(p.rglob("*.json")) if p.is_dir() else [p])]
    if not files:
        raise DashboardError(f"no *.json in {', '.join(map(str, paths))}")
    return files


def read_model(path: Path) -> Json:
    """Return a file's dashboard in the current schema, see `current_model`.

    Raises:
        DashboardError: The file is missing, too large, not JSON, or not a dashboard.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DashboardError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
        data = json.loads(path.read_bytes(), parse_constant=_refuse)
    except (OSError, RecursionError, ValueError) as error:
        if isinstance(error, DashboardError):
            raise
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise DashboardError(f"{path}: {reason}") from error
    try:
        return current_model(_classic(data), path.stem)
    except ValueError as error:
        raise DashboardError(f"{path}: {error}") from error


def _classic(data: object) -> Json:
    """Return the classic model in a file: the file itself, or what Grafana's APIs wrap it in."""
    if not isinstance(data, dict):
        raise DashboardError("expected a Grafana dashboard with panels")
    found = data.get("dashboard", data)
    found = mapping(found)
    spec = mapping(found.get("spec"))
    if "elements" in (spec or found):
        raise DashboardError("this is schema v2; export it with the classic schema")
    if "panels" in spec or "rows" in spec:
        name = mapping(found.get("metadata")).get("name")
        return {"uid": name, **spec}
    if not ("panels" in found or "rows" in found):
        raise DashboardError("expected a Grafana dashboard with panels")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
