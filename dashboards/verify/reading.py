"""Dashboards as `verify` sees them: panels, queries, variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dashboards.reader.files import DashboardError, find_files, read_model
from dashboards.reader.shapes import Json, text

DOCKER = "(docker)"
# Panels of text and lists.
NO_QUERY = {"text", "row", "dashlist", "news", "welcome", "gettingstarted", "alertlist", "annolist"}


@dataclass(frozen=True)
class Target:
    """One query of a panel.

    Args:
        kind: Type of the data source: `prometheus`, `loki`, `tempo`, …
        expr: The query, before variables are replaced; empty if it was built in a form.
        instant: Whether it is an instant query, not a range query.
        letter: Its refId.
        source: Name or uid of the data source, if the file has one.
        table: Whether its result is a table, not time series.
        ranged: Whether it is a range query, perhaps beside an instant one.
    """

    kind: str
    expr: str
    instant: bool
    letter: str = ""
    source: str = ""
    table: bool = False
    ranged: bool = True


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
        model: Its JSON in the current schema.
    """

    title: str
    type: str
    row: str
    targets: Sequence[Target]
    repeat: Sequence[str] = ()
    library: str = ""
    points: int = 0
    model: Mapping[str, Any] = field(default_factory=dict)

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
        start: Start of its time range, such as `now-1h`; empty if the file has none.
    """

    path: Path
    uid: str
    title: str
    panels: Sequence[Panel]
    variables: Sequence[Mapping[str, Any]]
    start: str = ""


def read_all(paths: Sequence[Path]) -> tuple[list[Dashboard], list[str]]:
    """Return the dashboards of files and folders, and the errors of those that are none.

    Raises:
        DashboardError: There is no file.
    """
    found, broken = [], []
    for path in find_files(paths):
        try:
            found.append(read_dashboard(path))
        except DashboardError as error:
            broken.append(str(error))
    return found, broken


def read_dashboard(path: Path) -> Dashboard:
    """Return the dashboard of a file, which may be a response of Grafana's API.

    Raises:
        DashboardError: The file is missing, is not JSON, or has no panels.
    """
    model = read_model(path)
    variables = model["templating"]["list"]
    start = model["time"].get("from", "")
    return Dashboard(path, model["uid"], model["title"], list(_panels(model)), variables, start)


def _panels(model: Json) -> Iterator[Panel]:
    row: Json = {}
    for panel in model["panels"]:
        if panel["type"] == "row":
            row = panel
            yield from (_panel(inner, row) for inner in panel["panels"])
        else:
            yield _panel(panel, row)


def _panel(panel: Json, row: Json) -> Panel:
    return Panel(
        panel["title"],
        panel["type"],
        row.get("title", ""),
        [_target(target) for target in panel["targets"] if not target.get("hide")],
        [one["repeat"] for one in (row, panel) if one.get("repeat")],
        panel.get("library", ""),
        panel["maxDataPoints"] or 0,
        panel,
    )


def _target(target: Json) -> Target:
    table = target.get("format") == "table"
    instant = bool(target.get("instant"))
    return Target(
        target["datasource"]["type"],
        text(target.get("expr")) or text(target.get("query")),
        instant and not target.get("range"),
        target["refId"],
        target["datasource"]["uid"],
        table,
        bool(target.get("range")) or not instant,
    )
