"""Read dashboard JSON of any age: panels, queries, variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.verify.sources import PROMETHEUS, Sources

DOCKER = "(docker)"
# Panels of text and lists.
NO_QUERY = {"text", "row", "dashlist", "news", "welcome", "gettingstarted", "alertlist", "annolist"}


class DashboardError(ValueError):
    """Error of a file that is not a dashboard: its name, and what was expected."""


@dataclass(frozen=True)
class Target:
    """One query of a panel.

    Args:
        kind: Type of the data source: `prometheus`, `loki`, `tempo`, …
        expr: The query, before variables are replaced; empty if it was built in a form.
        instant: Whether it is an instant query, not a range query.
    """

    kind: str
    expr: str
    instant: bool


@dataclass(frozen=True)
class Panel:
    """One panel.

    Args:
        title: Its title.
        type: Grafana's type of panel, such as `timeseries`.
        row: Title of its row.
        targets: Its queries, without hidden ones.
        repeat: The variables by whose values it, or its row, is repeated.
        library: Name of its library panel, if the file does not contain that.
        points: Maximum number of points; 0 if it depends on the width.
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
        """Return whether it needs exporters that only the Docker mode runs."""
        return DOCKER in self.row


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    Args:
        path: Its file.
        uid: Its uid, or the file's stem.
        title: Its title.
        panels: Every panel, those in collapsed rows included.
        variables: The variables in Grafana's model.
    """

    path: Path
    uid: str
    title: str
    panels: Sequence[Panel]
    variables: Sequence[Mapping[str, Any]]


def read_dashboards(paths: Sequence[Path]) -> list[Dashboard]:
    """Return the dashboards of files and folders.

    Raises:
        DashboardError: A file is not a dashboard, or there is no file.
    """
    files = [f for p in paths for f in (sorted(p.rglob("*.json")) if p.is_dir() else [p])]
    if not files:
        raise DashboardError(f"no *.json in {', '.join(map(str, paths))}")
    return [read_dashboard(path) for path in files]


def read_dashboard(path: Path) -> Dashboard:
    """Return the dashboard of a file, which may be a response of Grafana's API.

    Raises:
        DashboardError: The file is missing, is not JSON, or has no panels.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DashboardError(f"{path}: {error}") from error
    data = data.get("dashboard", data) if isinstance(data, dict) else None
    if isinstance(data, dict) and "elements" in (data.get("spec") or data):
        raise DashboardError(f"{path}: this is schema v2; export it with the classic schema")
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
    # Before 2017 rows contained the panels; now a row is a panel, and only a collapsed one does.
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
    """Reader of the panels of one dashboard.

    Args:
        sources: The dashboard's data sources.
        elements: The library panels in an export, by uid.
    """

    sources: Sources
    elements: Mapping[str, Any]

    def panel(self, panel: Mapping[str, Any], row: Mapping[str, Any]) -> Panel:
        """Return a panel, with the model of its library panel if it has one."""
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
