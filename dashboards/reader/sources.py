"""The data source of a panel or query, in every form in which dashboards refer to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.reader.shapes import Json, mapping, objects, text

PROMETHEUS = "prometheus"
# A name that no variable and no input of the file explains.
UNKNOWN = "unknown"
# Built into Grafana: results of another panel, test data, expressions over other queries.
BUILT_IN = {"datasource", "grafana", "__expr__", "-- Dashboard --", "-- Grafana --"}
# Each query of the panel has its own source.
MIXED = {"mixed", "-- Mixed --"}
# Before Grafana 8 panels referred to a source by name, which usually contains its type.
TYPES = (
    PROMETHEUS, "loki", "tempo", "testdata", "graphite", "influx", "elasticsearch", "opentsdb",
    "mysql", "postgres", "mssql", "cloudwatch", "jaeger", "zipkin", "pyroscope",
)  # fmt: skip
# A key that only queries of one type have, for queries to a default source.
SIGNS = (
    ("expr", PROMETHEUS), ("scenarioId", "testdata"), ("rawSql", "sql"), ("bucketAggs", "elastic"),
    ("measurement", "influx"), ("metricName", "cloudwatch"), ("target", "graphite"),
)  # fmt: skip


class Sources:
    """The data sources of a dashboard.

    Args:
        data: The dashboard's JSON.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        listed = objects(mapping(data.get("templating")).get("list"))
        # `__inputs` of an export: variables such as `${DS_PROMETHEUS}`, set on import.
        self._kinds = {
            text(one.get("name")): text(one.get("pluginId"))
            for one in objects(data.get("__inputs"))
        }
        self._kinds |= {
            text(one.get("name")): text(one.get("query"))
            for one in listed
            if one.get("type") == "datasource"
        }

    def kind(self, datasource: object) -> str:
        """Return the type, such as `prometheus`; empty for the default data source.

        Args:
            datasource: An object with type and uid, a name, a variable, or None.

        Returns:
            `grafana` for what is built into Grafana, `unknown` for a name that says no type.
        """
        if isinstance(datasource, Mapping):
            named = text(datasource.get("uid"))
            if named in BUILT_IN:
                return "grafana"
            kind = text(datasource.get("type")) or self._named(named)
        else:
            kind = self._named(text(datasource))
        if kind in BUILT_IN:
            return "grafana"
        return "" if kind in MIXED else kind

    def reference(self, datasource: object, default: str = "") -> Json:
        """Return the type and the name of a source; both are texts, and the type is not empty."""
        named = mapping(datasource).get("uid") if isinstance(datasource, Mapping) else datasource
        return {"type": self.kind(datasource) or default or PROMETHEUS, "uid": text(named)}

    def of_query(self, target: Mapping[str, Any], panel: object) -> Json:
        """Return the source of a query: its own, else its panel's, else the default."""
        own = target.get("datasource")
        chosen = own if self.kind(own) else panel
        signs = (kind for key, kind in SIGNS if isinstance(target.get(key), str | list))
        return self.reference(chosen, next(signs, ""))

    def _named(self, name: str) -> str:
        """Return the type of a variable or a name."""
        known = BUILT_IN | MIXED
        if name.startswith("$") and self._kinds.get(_bare(name)):
            return self._kinds[_bare(name)]
        if name in known or name in ("", "default"):
            return name if name in known else ""
        found = [kind for kind in TYPES if kind in name.lower()]
        return found[0] if found else UNKNOWN


def _bare(name: str) -> str:
    return name.strip("${}").split(":")[0]
