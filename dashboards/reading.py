"""Read dashboard JSON, ours and strangers': panels, queries, variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCKER = "(docker)"
# Panels of words and lists; they ask nobody.
SILENT = {"text", "row", "dashlist", "news", "welcome", "gettingstarted", "alertlist", "annolist"}


class DashboardError(ValueError):
    """Raised when a file is no dashboard; names the file and what was expected."""


@dataclass(frozen=True)
class Target:
    """One query of a panel.

    Args:
        kind: `prometheus`, `loki`, `tempo`, or another data source's type.
        expr: The query, with variables still in it.
        instant: Whether only the newest value counts.
    """

    kind: str
    expr: str
    instant: bool


@dataclass(frozen=True)
class Panel:
    """One panel.

    Args:
        title: Its title.
        type: Grafana's name of the kind of panel.
        row: The heading above it.
        targets: Its queries that are not hidden.
    """

    title: str
    type: str
    row: str
    targets: Sequence[Target]

    @property
    def only_in_docker(self) -> bool:
        """Return whether it asks for what only the exporters of the Docker mode have."""
        return DOCKER in self.row


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    Args:
        path: Its file.
        uid: Its uid, or the file's stem.
        title: Its title.
        panels: Every panel, those in folded rows included.
        variables: Grafana's own description of each variable.
    """

    path: Path
    uid: str
    title: str
    panels: Sequence[Panel]
    variables: Sequence[Mapping[str, Any]]


def read_dashboards(paths: Sequence[Path]) -> list[Dashboard]:
    """Return the dashboards of files and folders.

    Raises:
        DashboardError: A file cannot be read as a dashboard, or there is none.
    """
    files = [f for p in paths for f in (sorted(p.rglob("*.json")) if p.is_dir() else [p])]
    if not files:
        raise DashboardError(f"no *.json in {', '.join(map(str, paths))}")
    return [read_dashboard(path) for path in files]


def read_dashboard(path: Path) -> Dashboard:
    """Return the dashboard of a file; one that Grafana's API wrapped is unwrapped.

    Raises:
        DashboardError: It is missing, no JSON, or has no panels.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DashboardError(f"{path}: {error}") from error
    data = data.get("dashboard", data) if isinstance(data, dict) else None
    if not isinstance(data, dict) or not ("panels" in data or "rows" in data):
        raise DashboardError(f"{path}: expected a Grafana dashboard with panels")
    return Dashboard(
        path,
        str(data.get("uid") or path.stem),
        str(data.get("title") or path.stem),
        list(_panels(data)),
        list((data.get("templating") or {}).get("list") or []),
    )


def _panels(data: Mapping[str, Any]) -> Iterator[Panel]:
    row = ""
    sources = {v["name"]: v.get("query") for v in _datasource_variables(data)}
    # Before 2017 panels lay in rows; since then a row is a panel, and a folded one holds the next.
    for panel in data.get("panels") or []:
        if panel.get("type") == "row":
            row = str(panel.get("title") or "")
            yield from (_panel(inner, row, sources) for inner in panel.get("panels") or [])
        else:
            yield _panel(panel, row, sources)
    for old in data.get("rows") or []:
        title = str(old.get("title") or "")
        yield from (_panel(inner, title, sources) for inner in old.get("panels") or [])


def _datasource_variables(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = (data.get("templating") or {}).get("list") or []
    return [variable for variable in listed if variable.get("type") == "datasource"]


def _panel(panel: Mapping[str, Any], row: str, sources: Mapping[str, Any]) -> Panel:
    kind = _kind(panel.get("datasource"), sources)
    targets = [
        Target(_kind(target.get("datasource"), sources) or kind or "prometheus", expr, instant)
        for target in panel.get("targets") or []
        if not target.get("hide")
        for expr in [str(target.get("expr") or target.get("query") or "")]
        for instant in [bool(target.get("instant")) and not target.get("range")]
        if expr
    ]
    return Panel(str(panel.get("title") or ""), str(panel.get("type") or ""), row, targets)


def _kind(datasource: object, sources: Mapping[str, Any]) -> str:
    """Return the type of a data source; empty where only a name is given."""
    if isinstance(datasource, dict):
        return str(datasource.get("type") or "")
    if isinstance(datasource, str) and datasource.startswith("$"):
        return str(sources.get(datasource.strip("${}")) or "")
    return ""
