"""Follow the links between signals in a running project, with the queries of the provisioned files.

Loki and Tempo publish no port, so the requests run inside the Collector's container.
"""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.servers import wait_until
from tools.standins.composed import ROOT, STACK, load
from tools.standins.docker import Project, report
from tools.standins.shop import Shop, request

SOURCES = {
    source["uid"]: source
    for source in load(STACK / "grafana/provisioning/datasources/datasources.yaml")["datasources"]
}
TEMPO = SOURCES["tempo"]["jsonData"]
SERVICES = ("orders", "orders-relay", "orders-worker", "payment-provider")
WINDOW_SECONDS = 900


@dataclass
class Links:
    """The links between signals, as Grafana follows them.

    Args:
        sut: The running project.
        shop: The project's published ports.
    """

    sut: Project
    shop: Shop

    def get(self, uid: str, path: str, **query: object) -> Any:
        """Return the JSON of a backend at the address in its data source."""
        url = f"{SOURCES[uid]['url']}{path}?{urllib.parse.urlencode(query)}"
        command = ["exec", "-T", "collector", "/busybox", "wget", "-q", "-T", "10", "-O", "-", url]
        return json.loads(self.sut.compose(*command))

    def trace(self, trace_id: str) -> set[str]:
        """Return the services with spans in a trace."""
        found = self.get("tempo", f"/api/v2/traces/{trace_id}")["trace"]["resourceSpans"]
        return {
            attribute["value"]["stringValue"]
            for part in found
            for attribute in part["resource"]["attributes"]
            if attribute["key"] == "service.name"
        }

    def lines(self, logql: str) -> list[dict[str, str]]:
        """Return labels and metadata of the streams that a query finds in the last minutes."""
        since = int(time.time() - WINDOW_SECONDS) * 10**9
        answer = self.get("loki", "/loki/api/v1/query_range", query=logql, start=since)
        return [stream["stream"] for stream in answer["data"]["result"]]

    def exemplars(self, promql: str) -> list[dict[str, str]]:
        """Return the labels of a query's exemplars in the last minutes."""
        now = time.time()
        url = self.shop.url(
            "PROMETHEUS_PORT",
            "/api/v1/query_exemplars",
            query=promql,
            start=str(now - WINDOW_SECONDS),
            end=str(now),
        )
        return [e["labels"] for series in request(url)[2]["data"] for e in series["exemplars"]]


def exemplar_to_trace(links: Links) -> str:
    """Follow an exemplar of the latency metric, and one of Tempo's span metrics, to a trace."""
    (link,) = SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    for metric in (
        "http_server_request_duration_seconds_bucket",
        "traces_spanmetrics_latency_bucket",
    ):
        found = wait_until(lambda m=metric: links.exemplars(m), seconds=90, interval=2)
        trace_id = found[-1][link["name"]]
        wait_until(lambda t=trace_id: links.trace(t), seconds=60, interval=1)
    return f"{len(found)} exemplars, the newest is trace {trace_id}"


def trace_to_logs(links: Links) -> str:
    """Follow the trace of an order to the log lines of each service."""
    _, trace_id = links.shop.place_order()
    wait_until(lambda: links.trace(trace_id) >= set(SERVICES), seconds=90, interval=1)
    (tag,) = TEMPO["tracesToLogsV2"]["tags"]
    for service in SERVICES:
        query = TEMPO["tracesToLogsV2"]["query"].replace("$$", "$")
        query = query.replace("${__tags}", f'{tag["value"]}="{service}"')
        query = query.replace("${__trace.traceId}", trace_id)
        wait_until(lambda q=query: links.lines(q), seconds=60, interval=1)
    return f"trace {trace_id}: spans and lines of {', '.join(SERVICES)}"


def log_to_trace(links: Links) -> str:
    """Follow a log line with a trace id to its trace."""
    (link,) = SOURCES["loki"]["jsonData"]["derivedFields"]
    field = link["matcherRegex"]
    line = next(
        labels for labels in links.lines('{service_name="orders-worker"}') if field in labels
    )
    services = wait_until(lambda: links.trace(line[field]), seconds=60, interval=1)
    return f"a line of {line['service_name']} leads to a trace of {len(services)} services"


def trace_to_metrics(links: Links) -> str:
    """Follow a span to the metrics of its service; every query must have series."""
    (tag,) = TEMPO["tracesToMetrics"]["tags"]
    for entry in TEMPO["tracesToMetrics"]["queries"]:
        query = entry["query"].replace("$$", "$").replace("$__rate_interval", "1m")
        kind = "orders-worker" if "celery" in query else "orders"
        links.shop.wait_for(query.replace("$__tags", f'{tag["value"]}="{kind}"'))
    return f"{len(TEMPO['tracesToMetrics']['queries'])} queries answered"


def trace_to_service_graph(links: Links) -> str:
    """Find every hop of an order in the service graph, and the time in the queue."""
    hops = [
        ("user", "orders", "virtual_node"),
        ("orders-relay", "orders-worker", "messaging_system"),
        ("orders-worker", "payment-provider", ""),
        ("orders-worker", "postgres", "database"),
        ("orders", "cache", "database"),
    ]
    name = "traces_service_graph_request_total"
    for client, server, kind in hops:
        labels = f'client="{client}",server="{server}",connection_type="{kind}"'
        links.shop.wait_for(f"sum({name}{{{labels}}}) > 0", seconds=120)
    wait = "traces_service_graph_request_messaging_system_seconds_count"
    links.shop.wait_for(f'sum({wait}{{server="orders-worker"}}) > 0')
    return " ".join(f"{client}->{server}" for client, server, _ in hops)


def alert_to_dashboard_to_runbook(links: Links) -> str:
    """Follow the links of Watchdog, as Alertmanager has them, to its dashboard and its runbook."""
    url = links.shop.url("ALERTMANAGER_PORT", "/api/v2/alerts", filter='alertname="Watchdog"')
    (alert,) = wait_until(lambda: request(url)[2], seconds=90, interval=1)
    notes = alert["annotations"]
    uid = re.search(r"/d/([\w-]+)", notes["dashboard_url"])[1]
    assert (ROOT / "dashboards/json" / f"{uid}.json").is_file()
    assert (ROOT / "alerts/runbooks/Watchdog.md").is_file()
    assert notes["runbook_url"].endswith("/d/runbook-watchdog")
    assert notes["runbook_url"].startswith(f"http://localhost:{links.shop.ports['GRAFANA_PORT']}/")
    return f"dashboard {uid}, {notes['runbook_url']}"


def streams(links: Links) -> list[str]:
    """Return the service of each stream in Loki."""
    answer = links.get("loki", "/loki/api/v1/series", **{"match[]": '{service_name=~".+"}'})
    return [series["service_name"] for series in answer["data"]]


def streams_per_service(links: Links) -> str:
    """Check that a service has few streams in Loki, however many processes it has."""
    names = streams(links)
    most = max(names.count(name) for name in names)
    assert most <= 3, names
    return f"{len(names)} streams of {len(set(names))} services"


def series_per_instance(links: Links) -> str:
    """Check that an instance exposes a bounded number of series."""
    jobs = "|".join(SERVICES)
    query = f'max by (job) (max_over_time(scrape_samples_scraped{{job=~"{jobs}"}}[15m]))'
    counts = links.shop.wait_for(query)
    assert max(counts.values()) <= 1500, counts
    return " ".join(f"{job} {count:.0f}" for job, count in counts.items())


CHECKS: list[Callable[[Links], str]] = [
    exemplar_to_trace,
    trace_to_logs,
    log_to_trace,
    trace_to_metrics,
    trace_to_service_graph,
    alert_to_dashboard_to_runbook,
    streams_per_service,
    series_per_instance,
]


def check_links(sut: Project, shop: Shop) -> None:
    """Follow every link and print its end."""
    links = Links(sut, shop)
    for check in CHECKS:
        report(f"{check.__name__.replace('_', ' ')}: {check(links)}")
