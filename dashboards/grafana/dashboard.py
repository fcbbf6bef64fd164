"""A whole dashboard: its variables, its links, its annotations, and its rows of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.grafana.panels import PROMETHEUS, Panel
from dashboards.grafana.style import BAD, GREY
from dashboards.grafana.tables import LOKI
from dashboards.queries import alerts_marked, process_starts

TAG = "sightline"
WRITTEN_BY = "Written by `python -m dashboards`; edit the Python, not this."


@dataclass(frozen=True)
class Row:
    """Panels under a heading, in the order in which an operator thinks.

    Args:
        title: The heading.
        panels: Left to right, top to bottom.
        only_in: `docker` where the panels need exporters that the local mode has not.
    """

    title: str
    panels: Sequence[Panel]
    only_in: str = ""


@dataclass(frozen=True)
class Board:
    """A dashboard.

    Args:
        uid: Its file's stem; never changes, since alerts and people link to it.
        title: What it is called.
        about: What question it answers.
        rows: Its rows.
        variables: What the reader may choose, besides the data sources.
        signals: The data sources that it reads, by type.
    """

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Any] = ()
    signals: Sequence[str] = ("prometheus",)

    def as_json(self) -> str:
        """Return the JSON that Grafana and the console read."""
        return json.dumps(self._build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"

    def _build(self) -> models.Dashboard:
        board = dashboard.Dashboard(self.title).uid(self.uid).tags([TAG])
        board.description(f"{self.about} {WRITTEN_BY}").editable().refresh("10s")
        board.time("now-15m", "now").timezone("browser")
        board.tooltip(models.DashboardCursorSync.CROSSHAIR)
        board.variables([*(_datasource(kind) for kind in self.signals), *self.variables])
        board.link(_all_dashboards()).annotation(_written(_firing_alerts()))
        if "loki" in self.signals:
            board.annotation(_written(_process_starts()))
        for row in self.rows:
            board.with_row(dashboard.Row(_heading(row)))
            for panel in row.panels:
                board.with_panel(panel)
        return board.build()


@dataclass(frozen=True)
class _Written:
    """An annotation as Grafana writes it; the SDK knows none of the keys that give it words."""

    document: dict[str, Any]

    def build(self) -> Any:
        """Return the document."""
        return self.document


def _written(document: dict[str, Any]) -> Any:
    return _Written(document)


def choice(name: str, label: str, values: str) -> Any:
    """Return a variable with All and any number of the values that Prometheus knows.

    Args:
        name: `$name` in queries; All is `.+`, which Loki takes too.
        label: What the reader sees.
        values: `label_values(metric, label)`.
    """
    return _choice(name, label, {"query": values, "refId": name}, PROMETHEUS)


def choice_of_logs(name: str, label: str, values: str) -> Any:
    """Return the same with the values of one of Loki's labels."""
    query: dict[str, object] = {"type": 1, "label": values, "stream": "", "refId": name}
    return _choice(name, label, query, LOKI)


def one_of(name: str, label: str, values: Sequence[str]) -> Any:
    """Return a variable with a few fixed values, the first of which is chosen."""
    options = [
        models.VariableOption(selected=place == 0, text=value, value=value)
        for place, value in enumerate(values)
    ]
    variable = dashboard.CustomVariable(name).label(label).values(",".join(values))
    return variable.current(options[0]).options(options)


def free_text(name: str, label: str) -> Any:
    """Return a variable that the reader types or pastes; empty at first."""
    empty = models.VariableOption(selected=True, text="", value="")
    return dashboard.TextBoxVariable(name).label(label).default_value("").current(empty)


def _choice(name: str, label: str, query: dict[str, object], source: models.DataSourceRef) -> Any:
    everything = models.VariableOption(selected=True, text="All", value="$__all")
    variable = dashboard.QueryVariable(name).label(label).query(query).datasource(source)
    variable.multi(True).include_all(True).all_value(".+").current(everything)
    variable.sort(models.VariableSort.ALPHABETICAL_ASC)
    return variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)


def _datasource(kind: str) -> Any:
    chosen = models.VariableOption(selected=True, text="default", value="default")
    variable = dashboard.DatasourceVariable(kind).label(kind.title()).type(kind)
    return variable.current(chosen).hide(models.VariableHide.HIDE_VARIABLE)


def _heading(row: Row) -> str:
    return f"{row.title} ({row.only_in})" if row.only_in else row.title


def _all_dashboards() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Dashboards").type(models.DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).as_dropdown(True).keep_time(True).include_vars(False)


def _firing_alerts() -> dict[str, Any]:
    """Return marks over the time in which an alert of ours fires."""
    return {
        "name": "Alerts",
        "datasource": PROMETHEUS,
        "enable": True,
        "iconColor": BAD,
        "expr": alerts_marked(),
        "step": "15s",
        "titleFormat": "{{alertname}}",
        "tagKeys": "severity,service",
    }


def _process_starts() -> dict[str, Any]:
    """Return a mark where a process of ours started: a deployment, or a restart."""
    expr = process_starts()
    return {
        "name": "Process starts",
        "datasource": LOKI,
        "enable": True,
        "iconColor": GREY,
        "expr": expr,
        # Grafana before 10 reads `expr`, later ones the target.
        "target": {"expr": expr, "queryType": "range", "refId": "Anno"},
        "maxLines": 100,
        "titleFormat": "{{service_name}} {{service_version}} started",
        "textFormat": "{{service_instance_id}}",
        "tagKeys": "service_name,service_version",
    }
