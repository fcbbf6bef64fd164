"""Every link from one signal to another, checked at both ends."""

from __future__ import annotations

import json
import re

import promql_parser
import pytest
import yaml

from observability.instrumentation import semconv
from tools.standins.composed import ROOT, STACK, load, project, rule_files, shipped_alerts

SOURCES = {
    source["uid"]: source
    for source in load(STACK / "grafana/provisioning/datasources/datasources.yaml")["datasources"]
}
JSON_DATA = {uid: source["jsonData"] for uid, source in SOURCES.items()}
TEMPO = load(STACK / "tempo/tempo.yaml")
LOKI = load(STACK / "loki/loki.yaml")
COLLECTOR = load(STACK / "collector/config.yaml")
GENERATOR = TEMPO["overrides"]["defaults"]["metrics_generator"]
METRICS = {
    value.name: value for value in vars(semconv).values() if isinstance(value, semconv.Metric)
}


def as_grafana_reads_it(text: str) -> str:
    return text.replace("$$", "$")


def test_the_data_sources_have_the_uids_that_dashboards_and_links_use():
    assert {uid: source["type"] for uid, source in SOURCES.items()} == {
        "prometheus": "prometheus",
        "loki": "loki",
        "tempo": "tempo",
        "alertmanager": "alertmanager",
    }


def test_every_uid_in_a_link_of_a_data_source_exists():
    linked = set(re.findall(r"[dD]atasourceUid: (\w+)", yaml.safe_dump(list(SOURCES.values()))))
    assert {"prometheus", "loki", "tempo"} <= linked <= set(SOURCES)


def test_grafanas_alerting_page_reads_prometheus_and_alertmanager_and_evaluates_nothing():
    grafana = project()["grafana"].environment
    assert grafana["GF_UNIFIED_ALERTING_ENABLED"] == "true"
    assert grafana["GF_UNIFIED_ALERTING_EXECUTE_ALERTS"] == "false"
    assert JSON_DATA["prometheus"]["manageAlerts"] is True
    assert JSON_DATA["alertmanager"] == {
        "implementation": "prometheus",
        "handleGrafanaManagedAlerts": False,
    }
    alerting = STACK / "grafana/provisioning/alerting"
    assert [path.name for path in alerting.iterdir()] == [".gitkeep"]


@pytest.mark.parametrize("uid", sorted(SOURCES))
def test_the_url_of_a_data_source_is_the_address_of_a_container(uid):
    host, port = re.fullmatch(r"http://([\w-]+):(\d+)", SOURCES[uid]["url"]).groups()
    listens = {"prometheus": 9090, "loki": 3100, "tempo": 3200, "alertmanager": 9093}
    assert listens[host] == int(port)
    assert project()[host].networks & project()["grafana"].networks


def test_exemplar_to_trace_grafana_tempo_and_the_kit_use_the_same_label():
    ends = JSON_DATA["prometheus"]["exemplarTraceIdDestinations"]
    assert [(end["name"], end["datasourceUid"]) for end in ends] == [("trace_id", "tempo")]
    assert GENERATOR["trace_id_label_name"] == "trace_id"
    kit = (ROOT / "observability/instrumentation/_multiprocess/exemplars.py").read_text()
    semconv_text = (ROOT / "observability/instrumentation/semconv.py").read_text()
    assert '"trace_id"' in kit + semconv_text


def test_exemplar_to_trace_prometheus_stores_exemplars_and_tempo_sends_them():
    assert "--enable-feature=exemplar-storage" in project()["prometheus"].get("command")
    assert TEMPO["metrics_generator"]["storage"]["remote_write"][0]["send_exemplars"] is True


def test_log_to_trace_the_id_is_read_from_structured_metadata():
    field = JSON_DATA["loki"]["derivedFields"][0]
    assert field["matcherType"] == "label"  # structured metadata counts as a label
    assert field["matcherRegex"] == "trace_id"
    assert field["datasourceUid"] == "tempo"
    assert as_grafana_reads_it(field["url"]) == "${__value.raw}"


def test_trace_to_logs_queries_a_label_that_loki_indexes():
    link = JSON_DATA["tempo"]["tracesToLogsV2"]
    query = as_grafana_reads_it(link["query"])
    assert link["datasourceUid"] == "loki"
    assert query == '{${__tags}} | trace_id = "${__trace.traceId}"'
    indexed = LOKI["distributor"]["otlp_config"]["default_resource_attributes_as_index_labels"]
    for tag in link["tags"]:
        assert tag["key"] in indexed
        assert tag["value"] == tag["key"].replace(".", "_")


def test_loki_indexes_three_labels_without_the_instance_id():
    indexed = LOKI["distributor"]["otlp_config"]["default_resource_attributes_as_index_labels"]
    assert len(indexed) == 3
    assert "service.instance.id" not in indexed


def metric_queries() -> dict[str, str]:
    queries = JSON_DATA["tempo"]["tracesToMetrics"]["queries"]
    filled = {"$__tags": 'job="orders"', "$__rate_interval": "1m"}
    texts = {}
    for query in queries:
        text = as_grafana_reads_it(query["query"])
        for name, value in filled.items():
            text = text.replace(name, value)
        texts[query["name"]] = text
    return texts


@pytest.mark.parametrize(("name", "query"), metric_queries().items())
def test_trace_to_metrics_queries_metrics_that_the_kit_exposes(name, query):
    promql_parser.parse(query)
    metric = re.search(r"rate\((\w+?)(?:_bucket|_count)?\{", query)[1]
    declared = METRICS[metric]
    labels = set(re.findall(r"by \(([^)]*)\)", query)[0].replace(" ", "").split(","))
    assert labels <= {*declared.labels, "le"}
    assert ("le" in labels) == ("histogram_quantile" in query)


def test_trace_to_metrics_service_name_becomes_the_label_job():
    link = JSON_DATA["tempo"]["tracesToMetrics"]
    assert link["datasourceUid"] == "prometheus"
    assert link["tags"] == [{"key": "service.name", "value": "job"}]
    assert len(link["queries"]) >= 3


def test_trace_to_service_graph_tempo_writes_it_to_prometheus():
    assert JSON_DATA["tempo"]["serviceMap"] == {"datasourceUid": "prometheus"}
    assert set(GENERATOR["processors"]) == {"service-graphs", "span-metrics"}
    assert "--web.enable-remote-write-receiver" in project()["prometheus"].get("command")
    url = TEMPO["metrics_generator"]["storage"]["remote_write"][0]["url"]
    assert url == f"{SOURCES['prometheus']['url']}/api/v1/write"


def test_the_service_graph_measures_queue_time_and_loses_no_edges():
    graph = TEMPO["metrics_generator"]["processor"]["service_graphs"]
    assert graph["enable_messaging_system_latency_histogram"] is True
    assert "enable_virtual_node_label" not in graph


def test_the_collector_sends_each_signal_to_the_backend_that_grafana_queries():
    exporters = COLLECTOR["exporters"]
    assert exporters["otlp_http/loki"]["endpoint"] == f"{SOURCES['loki']['url']}/otlp"
    assert exporters["otlp_http/tempo"]["endpoint"] == "http://tempo:4318"
    otlp = TEMPO["distributor"]["receivers"]["otlp"]["protocols"]
    assert otlp["http"]["endpoint"] == "0.0.0.0:4318"
    pipelines = {
        name: pipe["exporters"] for name, pipe in COLLECTOR["service"]["pipelines"].items()
    }
    assert pipelines == {"traces": ["otlp_http/tempo"], "logs": ["otlp_http/loki"]}


def test_grafanas_scrape_interval_equals_that_of_the_scrape_jobs():
    jobs = load(ROOT / "observability/scrape/sightline.yml")["scrape_configs"]
    ours = {job["scrape_interval"] for job in jobs if "dns_sd_configs" in job}
    assert ours == {JSON_DATA["prometheus"]["timeInterval"]}


DASHBOARDS = sorted((ROOT / "dashboards/json").glob("*.json"))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_queries_only_provisioned_data_sources(path):
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem
    types = {source["type"] for source in SOURCES.values()}
    variables = {v["name"] for v in board["templating"]["list"] if v["type"] == "datasource"}
    for uid in re.findall(r'"datasource": \{[^}]*?"uid": "([^"]+)"', json.dumps(board)):
        named = re.fullmatch(r"\$\{?(\w+)\}?", uid)
        assert uid in {*SOURCES, "-- Grafana --", "-- Mixed --"} or named[1] in variables, uid
    assert {v["query"] for v in board["templating"]["list"] if v["type"] == "datasource"} <= types


LOCAL_ONLY = {"local"}


def test_prometheus_reads_every_rule_file():
    patterns = load(STACK / "prometheus/prometheus.yml")["rule_files"]
    assert rule_files()
    assert {path.suffix for path in rule_files()} == {".yml"}
    targets = {m.folder: m.target for m in project()["prometheus"].mounts if m.folder}
    production = {
        m.folder: m.target for m in project({"SLO_PROFILE": "production"})["prometheus"].mounts
    }
    for folder in {path.parent for path in rule_files()}:
        if folder.name not in LOCAL_ONLY:
            assert f"{(targets | production)[folder]}/*.yml" in patterns


def test_the_dashboard_and_the_runbook_of_every_alert_exist():
    uids = {path.stem for path in DASHBOARDS}
    for where, rule in shipped_alerts():
        notes = rule["annotations"]
        name = f"{where}: {rule['alert']}"
        assert f"runbook-{rule['alert'].lower()}{{" in notes["runbook_url"], name
        assert (ROOT / f"alerts/runbooks/{rule['alert']}.md").is_file(), name
        uid = re.search(r"/d/([\w-]+)", notes["dashboard_url"])[1]
        assert not uids or uid in uids, name


def test_the_mail_of_an_alert_links_to_its_dashboard_and_its_runbook():
    template = (STACK / "alertmanager/templates/sightline.tmpl").read_text()
    for part in ("text", "html"):
        body = template.split(f'define "sightline.{part}"')[1].split("{{- end }}")[0]
        for word in ("dashboard_url", "runbook_url", "summary", "description", "GeneratorURL"):
            assert word in body, (part, word)
