"""Read dashboard JSON, ours and strangers': panels, queries, variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.verify.sources import PROMETHEUS, Sources

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
        expr: The query, with variables still in it; empty where it was filled in as a form.
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
        repeat: The variables for each of whose values it, or its row, is drawn once.
        library: Name of the library panel that it stands for, where that is not in the file.
        points: As many as a line may have; 0 where the panel leaves it to its width.
    """

    title: str
    type: str
    row: str
    targets: Sequence[Target]
    repeat: Sequence[str] = ()
    library: str = ""
    points: int = 0

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
    if isinstance(data, dict) and "elements" in (data.get("spec") or data):
        raise DashboardError(f"{path}: schema v2; export it in the classic form")
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
    reader = _Reader(Sources(data), data.get("__elements") or {})
    row: Mapping[str, Any] = {}
    # Before 2017 panels lay in rows; since then a row is a panel, and a folded one holds the next.
    for panel in data.get("panels") or []:
        if panel.get("type") == "row":
            row = panel
            yield from (reader.panel(inner, row) for inner in panel.get("panels") or [])
        else:
            yield reader.panel(panel, row)
    for old in data.get("rows") or []:
        yield from (reader.panel(inner, old) for inner in old.get("panels") or [])


@dataclass(frozen=True)
class _Reader:
    """Reads the panels of one dashboard.

    Args:
        sources: Its data sources.
        elements: The library panels that an export carries, by uid.
    """

    sources: Sources
    elements: Mapping[str, Any]

    def panel(self, panel: Mapping[str, Any], row: Mapping[str, Any]) -> Panel:
        """Return a panel, with that of the library which it stands for put in."""
        library = panel.get("libraryPanel") or {}
        name = str(library.get("name") or library.get("uid") or "")
        if library:
            element = self.elements.get(str(library.get("uid")), {})
            model = library.get("model") or element.get("model") or {}
            panel, name = {**panel, **model}, "" if model else name
        kind = self.sources.kind(panel.get("datasource"))
        shown = [t for t in panel.get("targets") or [] if not t.get("hide")]
        return Panel(
            str(panel.get("title") or name),
            str(panel.get("type") or ""),
            str(row.get("title") or ""),
            [self._target(target, kind) for target in shown],
            [str(one["repeat"]) for one in (row, panel) if one.get("repeat")],
            name,
            int(panel.get("maxDataPoints") or 0),
        )

    def _target(self, target: Mapping[str, Any], kind: str) -> Target:
        own = self.sources.kind(target.get("datasource")) or kind or PROMETHEUS
        expr = str(target.get("expr") or target.get("query") or "")
        instant = bool(target.get("instant")) and not target.get("range")
        return Target(own, expr, instant)
