"""Every query parses, and asks only for what is really exposed or recorded."""

from __future__ import annotations

import re
from datetime import timedelta

import promql_parser
import pytest
import yaml

from alerts.catalogue import PROGRAMS
from dashboards.generate import FOLDER
from dashboards.reading import read_dashboards
from dashboards.substitution import built_in, substitute
from dashboards.verify import metrics_of
from observability.instrumentation import semconv as kit
from service import semconv as words
from tests.servers import ROOT

VALUES = {
    **built_in(timedelta(minutes=15), timedelta(seconds=15), timedelta(seconds=5)),
    **dict.fromkeys(("service", "namespace", "queue", "cache", "order", "trace"), ".+"),
}
ASKED = [
    pytest.param(target, panel, id=f"{board.uid}/{panel.title}/{number}")
    for board in read_dashboards([FOLDER])
    for panel in board.panels
    for number, target in enumerate(panel.targets)
]
PROMQL = [one for one in ASKED if one.values[0].kind == "prometheus"]
# Prometheus makes these itself; the rest of the list is what exporters of the Docker mode expose.
OF_PROMETHEUS = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "ALERTS",
    "prometheus_tsdb_head_series",
}
OF_SPANS = {"traces_spanmetrics_calls_total", "traces_service_graph_request_total"}
OF_SPANS |= {"traces_service_graph_request_messaging_system_seconds_bucket"}
OF_EXPORTERS = re.compile(r"^(pg_stat_database|redis|otelcol|loki|tempo)_\w+$")


def known_metrics() -> set[str]:
    names = OF_PROMETHEUS | OF_SPANS | {m for p in PROGRAMS for m in p.metrics}
    for metric in (*kit.METRICS, *words.METRICS):
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
    for path in (ROOT / "alerts/rules").rglob("*.yml"):
        for group in (yaml.safe_load(path.read_text()) or {}).get("groups", []):
            names |= {rule["record"] for rule in group["rules"] if "record" in rule}
    return names


KNOWN = known_metrics()


@pytest.mark.parametrize(("target", "panel"), PROMQL)
def test_a_promql_query_parses_and_reads_known_metrics(target, panel):
    expr = substitute(target.expr, VALUES)
    assert not re.search(r"\$[a-z_{]", expr)
    promql_parser.parse(expr)
    unknown = metrics_of(expr) - KNOWN
    if panel.only_in_docker:
        unknown = {name for name in unknown if not OF_EXPORTERS.match(name)}
    assert unknown == set()


def test_an_unknown_metric_would_be_noticed():
    assert metrics_of("rate(http_server_request_duration_second_count[5m])") - KNOWN


@pytest.mark.parametrize(("target", "panel"), [a for a in ASKED if a.values[0].kind == "loki"])
def test_a_logql_query_selects_by_labels_first(target, panel):
    assert re.match(r'^\{\w+=~?"[^"]+"(, \w+=~?"[^"]+")*\}', substitute(target.expr, VALUES))


@pytest.mark.parametrize(("target", "panel"), [a for a in ASKED if a.values[0].kind == "tempo"])
def test_a_traceql_query_is_a_span_set_or_a_trace_id(target, panel):
    assert re.match(r"^\{ .+ \}$|^\.\+$", substitute(target.expr, VALUES))


@pytest.mark.parametrize(("target", "panel"), PROMQL)
def test_every_label_of_a_query_is_a_label_that_somebody_sets(target, panel):
    labels = {label for metric in (*kit.METRICS, *words.METRICS) for label in metric.labels}
    labels |= {"job", "instance", "le", "slo", "severity", "alertstate", "signal", "metric"}
    labels |= {"client", "server", "connection_type", "service", "span_name", "span_kind"}
    labels |= {"datname", "exporter", "__name__"}
    used = re.findall(r"by \(([^)]*)\)", target.expr)
    assert {one.strip() for group in used for one in group.split(",")} <= labels
