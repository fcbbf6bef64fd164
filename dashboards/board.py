"""A whole dashboard: its variables, its links, its annotations, and its rows of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.panels import LOKI, PROMETHEUS, WARN, Panel

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
        board.link(_all_dashboards()).annotation(_firing_alerts())
        for row in self.rows:
            board.with_row(dashboard.Row(_heading(row)))
            for panel in row.panels:
                board.with_panel(panel)
        return board.build()


def choice(name: str, label: str, values: str, *, loki: bool = False) -> Any:
    """Return a variable with All and any number of the values that a query yields.

    Args:
        name: `$name` in queries; All is `.+`, which Loki takes too.
        label: What the reader sees.
        values: `label_values(metric, label)`.
        loki: Whether Loki is asked, not Prometheus.
    """
    everything = models.VariableOption(selected=True, text="All", value="$__all")
    query: dict[str, object] = {"query": values, "refId": name}
    variable = dashboard.QueryVariable(name).label(label).query(query)
    variable.datasource(LOKI if loki else PROMETHEUS).multi(True).include_all(True)
    variable.all_value(".+").current(everything).sort(models.VariableSort.ALPHABETICAL_ASC)
    return variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)


def free_text(name: str, label: str, default: str) -> Any:
    """Return a variable that the reader types or pastes."""
    return dashboard.TextBoxVariable(name).label(label).default_value(default)


def _datasource(kind: str) -> Any:
    chosen = models.VariableOption(selected=True, text="default", value="default")
    variable = dashboard.DatasourceVariable(kind).label(kind.title()).type(kind)
    return variable.current(chosen).hide(models.VariableHide.HIDE_VARIABLE)


def _heading(row: Row) -> str:
    return f"{row.title} ({row.only_in})" if row.only_in else row.title


def _all_dashboards() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Dashboards").type(models.DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).as_dropdown(True).keep_time(True).include_vars(False)


def _firing_alerts() -> dashboard.AnnotationQuery:
    """Return marks where an alert of ours started to fire."""
    query = dashboard.AnnotationQuery().name("Alerts").datasource(PROMETHEUS).icon_color(WARN)
    expr = 'ALERTS{alertstate="firing",severity=~"page|ticket"}'
    return query.enable(True).expr(expr)
