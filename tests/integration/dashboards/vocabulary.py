"""The series that processes, rules and backends expose, with their labels."""

from __future__ import annotations

from functools import cache

import promql_parser
import yaml

from alerts.catalogue import PROGRAMS
from observability.instrumentation import semconv as kit
from service import semconv as words
from tests.integration.dashboards.labels import Labels
from tools.servers import ROOT

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}
SPANS = {"service", "span_name", "span_kind", "status_code"}
EDGE = {"client", "server", "connection_type"}
# As exposed by Prometheus 3.14, Tempo 3.0.3 and the local store, postgres_exporter 0.20,
# redis_exporter 1.93, Loki 3.7.6. Metrics of the same programs in alerts are in `alerts.catalogue`.
THIRD_PARTY: dict[str, set[str]] = {
    "up": set(),
    "scrape_duration_seconds": set(),
    "scrape_samples_post_metric_relabeling": set(),
    "prometheus_tsdb_head_samples_appended_total": {"type"},
    "traces_spanmetrics_calls_total": SPANS,
    "traces_spanmetrics_latency_sum": SPANS,
    "traces_service_graph_request_total": EDGE,
    "traces_service_graph_request_messaging_system_seconds_bucket": {*EDGE, "le"},
    "pg_stat_database_xact_commit": {"datname", "datid"},
    "pg_stat_database_blks_hit": {"datname", "datid"},
    "pg_stat_database_blks_read": {"datname", "datid"},
    "pg_stat_database_numbackends": {"datname", "datid"},
    "pg_settings_max_connections": {"server"},
    "redis_memory_used_bytes": set(),
    "redis_evicted_keys_total": set(),
    "redis_commands_processed_total": set(),
    "loki_distributor_bytes_received_total": {"tenant"},
    "tempo_distributor_bytes_received_total": {"tenant"},
}


@cache
def known() -> dict[str, set[str]]:
    """Return the labels of every series that a dashboard may read, by name."""
    found = dict(THIRD_PARTY)
    for metric in (*kit.METRICS, *words.METRICS):
        for suffix in SUFFIXES.get(metric.kind, ("",)):
            le = {"le"} if suffix == "_bucket" else set()
            found[metric.name + suffix] = {*metric.labels, *le}
    found |= {name: set(labels) for p in PROGRAMS for name, labels in p.metrics.items()}
    alerts: set[str] = {"alertname"}
    rules = [rule for path in sorted(RULES) for rule in _rules(path)]
    # Twice, since a recording rule may read the result of another.
    for rule in rules + rules:
        labels = Labels(found).of(promql_parser.parse(rule["expr"])) | set(rule.get("labels", {}))
        if "record" in rule:
            found[rule["record"]] = found.get(rule["record"], set()) | labels
        else:
            alerts |= labels
    return found | {"ALERTS": {*alerts, "alertstate"}, "ALERTS_FOR_STATE": alerts}


RULES = [
    path
    for folder in ("alerts/rules", "observability/stack/rules")
    for path in (ROOT / folder).rglob("*.yml")
    if "tests" not in path.parts[len(ROOT.parts) :]
]


def _rules(path):
    groups = (yaml.safe_load(path.read_text()) or {}).get("groups", [])
    return [rule for group in groups for rule in group["rules"]]
