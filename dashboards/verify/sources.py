"""The type of a panel's data source, in every form in which dashboards refer to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROMETHEUS = "prometheus"
# Built into Grafana: results of another panel, test data, expressions over other queries.
BUILT_IN = {"datasource", "grafana", "__expr__", "-- Dashboard --", "-- Grafana --"}
# Each query of the panel has its own source.
MIXED = {"mixed", "-- Mixed --"}


class Sources:
    """The data sources of a dashboard.

    Args:
        data: The dashboard's JSON.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        listed = (data.get("templating") or {}).get("list") or []
        # `__inputs` of an export: variables such as `${DS_PROMETHEUS}`, set on import.
        self._kinds = {one.get("name"): one.get("pluginId") for one in data.get("__inputs") or []}
        self._kinds |= {v["name"]: v.get("query") for v in listed if v.get("type") == "datasource"}

    def kind(self, datasource: object) -> str:
        """Return the type, such as `prometheus`; empty for the default data source.

        Args:
            datasource: An object with type and uid, a name, a variable, or None.
        """
        if isinstance(datasource, Mapping):
            named = str(datasource.get("uid") or "")
            if named in BUILT_IN:
                return "grafana"
            kind = str(datasource.get("type") or "") or self._named(named)
        else:
            kind = self._named(str(datasource or ""))
        if kind in BUILT_IN:
            return "grafana"
        return "" if kind in MIXED else kind

    def _named(self, name: str) -> str:
        """Return the type of a variable or a name."""
        if name.startswith("$"):
            return str(self._kinds.get(name.strip("${}").split(":")[0]) or "")
        if name in BUILT_IN | MIXED:
            return name
        # Before Grafana 8 panels referred to a source by name, which usually contains its type.
        found = [kind for kind in (PROMETHEUS, "loki", "tempo") if kind in name.lower()]
        return found[0] if found else ""
