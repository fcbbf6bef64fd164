"""Which kind of data source a panel asks: every form in which dashboards name one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROMETHEUS = "prometheus"
# Grafana's own: another panel's rows, its own test data, arithmetic on other queries.
OF_GRAFANA = {"datasource", "grafana", "__expr__", "-- Dashboard --", "-- Grafana --"}
# A panel of many sources; each of its queries names its own.
MIXED = {"mixed", "-- Mixed --"}


class Sources:
    """The data sources that a dashboard names.

    Args:
        data: The dashboard.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        listed = (data.get("templating") or {}).get("list") or []
        # `__inputs` is what an export asks the reader for: `${DS_PROMETHEUS}`.
        self._kinds = {one.get("name"): one.get("pluginId") for one in data.get("__inputs") or []}
        self._kinds |= {v["name"]: v.get("query") for v in listed if v.get("type") == "datasource"}

    def kind(self, datasource: object) -> str:
        """Return the type: `prometheus`, `loki`, …; empty where the default source is asked.

        Args:
            datasource: An object with type and uid, a name, a variable, or nothing.
        """
        if isinstance(datasource, Mapping):
            named = str(datasource.get("uid") or "")
            if named in OF_GRAFANA:
                return "grafana"
            kind = str(datasource.get("type") or "") or self._named(named)
        else:
            kind = self._named(str(datasource or ""))
        if kind in OF_GRAFANA:
            return "grafana"
        return "" if kind in MIXED else kind

    def _named(self, name: str) -> str:
        """Return the type behind a variable or a name."""
        if name.startswith("$"):
            return str(self._kinds.get(name.strip("${}").split(":")[0]) or "")
        if name in OF_GRAFANA | MIXED:
            return name
        # Before Grafana 8 a source was known by its name, which is mostly that of its type.
        found = [kind for kind in (PROMETHEUS, "loki", "tempo") if kind in name.lower()]
        return found[0] if found else ""
