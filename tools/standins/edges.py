"""Walk from signal to signal in a running project, with the very words of the provisioned files.

Loki and Tempo publish no port, so the questions are asked from inside the Collector's container.
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
from tools.standins.docker import Project, say
from tools.standins.shop import Shop, ask

SOURCES = {
    source["uid"]: source
    for source in load(STACK / "grafana/provisioning/datasources/datasources.yaml")["datasources"]
}
TEMPO = SOURCES["tempo"]["jsonData"]
SERVICES = ("orders", "orders-relay", "orders-worker", "payment-provider")
WINDOW_SECONDS = 900


@dataclass
class Walker:
    """Somebody who follows links instead of typing queries."""

    sut: Project
    shop: Shop

    def inside(self, uid: str, path: str, **query: object) -> Any:
        """Ask a back end where Grafana would ask it."""
        url = f"{SOURCES[uid]['url']}{path}?{urllib.parse.urlencode(query)}"
        command = ["exec", "-T", "collector", "/busybox", "wget", "-q", "-T", "10", "-O", "-", url]
        return json.loads(self.sut.compose(*command))

    def trace(self, trace_id: str) -> set[str]:
        """Return the services that took part in a trace."""
        found = self.inside("tempo", f"/api/v2/traces/{trace_id}")["trace"]["resourceSpans"]
        return {
            attribute["value"]["stringValue"]
            for part in found
            for attribute in part["resource"]["attributes"]
            if attribute["key"] == "service.name"
        }

    def lines(self, logql: str) -> list[dict[str, str]]:
        """Return labels and metadata of the streams that a query of the last minutes finds."""
        since = int(time.time() - WINDOW_SECONDS) * 10**9
        answer = self.inside("loki", "/loki/api/v1/query_range", query=logql, start=since)
        return [stream["stream"] for stream in answer["data"]["result"]]

    def exemplars(self, promql: str) -> list[dict[str, str]]:
        """Return the labels of a query's exemplars of the last minutes."""
        now = time.time()
        url = self.shop.url(
            "PROMETHEUS_PORT",
            "/api/v1/query_exemplars",
            query=promql,
            start=str(now - WINDOW_SECONDS),
            end=str(now),
        )
        return [e["labels"] for series in ask(url)[2]["data"] for e in series["exemplars"]]


def exemplar_to_trace(walker: Walker) -> str:
    """From a dot in the latency panel, and from one of Tempo's own metrics, to a trace."""
    (link,) = SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    for metric in (
        "http_server_request_duration_seconds_bucket",
        "traces_spanmetrics_latency_bucket",
    ):
        found = wait_until(lambda m=metric: walker.exemplars(m), seconds=90, interval=2)
        trace_id = found[-1][link["name"]]
        wait_until(lambda t=trace_id: walker.trace(t), seconds=60, interval=1)
    return f"{len(found)} exemplars, the newest is trace {trace_id}"


def trace_to_logs(walker: Walker) -> str:
    """From the spans of one order to the lines that each service wrote about it."""
    _, trace_id = walker.shop.place_order()
    wait_until(lambda: walker.trace(trace_id) >= set(SERVICES), seconds=90, interval=1)
    (tag,) = TEMPO["tracesToLogsV2"]["tags"]
    for service in SERVICES:
        query = TEMPO["tracesToLogsV2"]["query"].replace("$$", "$")
        query = query.replace("${__tags}", f'{tag["value"]}="{service}"')
        query = query.replace("${__trace.traceId}", trace_id)
        wait_until(lambda q=query: walker.lines(q), seconds=60, interval=1)
    return f"trace {trace_id}: spans and lines of {', '.join(SERVICES)}"


def log_to_trace(walker: Walker) -> str:
    """From any line that has a trace id to its trace."""
    (link,) = SOURCES["loki"]["jsonData"]["derivedFields"]
    field = link["matcherRegex"]
    line = next(
        labels for labels in walker.lines('{service_name="orders-worker"}') if field in labels
    )
    services = wait_until(lambda: walker.trace(line[field]), seconds=60, interval=1)
    return f"a line of {line['service_name']} leads to a trace of {len(services)} services"


def trace_to_metrics(walker: Walker) -> str:
    """From a span to the numbers of its service: every query has series for somebody."""
    (tag,) = TEMPO["tracesToMetrics"]["tags"]
    for entry in TEMPO["tracesToMetrics"]["queries"]:
        query = entry["query"].replace("$$", "$").replace("$__rate_interval", "1m")
        kind = "orders-worker" if "celery" in query else "orders"
        walker.shop.wait_for(query.replace("$__tags", f'{tag["value"]}="{kind}"'))
    return f"{len(TEMPO['tracesToMetrics']['queries'])} queries answered"


def trace_to_service_graph(walker: Walker) -> str:
    """From a trace to the map: every hop of an order, the queue with its waiting time."""
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
        walker.shop.wait_for(f"sum({name}{{{labels}}}) > 0", seconds=120)
    wait = "traces_service_graph_request_messaging_system_seconds_count"
    walker.shop.wait_for(f'sum({wait}{{server="orders-worker"}}) > 0')
    return " ".join(f"{client}->{server}" for client, server, _ in hops)


def alert_to_dashboard_to_runbook(walker: Walker) -> str:
    """From the heartbeat that Alertmanager mailed to the pages that it names."""
    url = walker.shop.url("ALERTMANAGER_PORT", "/api/v2/alerts", filter='alertname="Watchdog"')
    (alert,) = wait_until(lambda: ask(url)[2], seconds=90, interval=1)
    notes = alert["annotations"]
    uid = re.search(r"/d/([\w-]+)", notes["dashboard_url"])[1]
    assert (ROOT / "dashboards/json" / f"{uid}.json").is_file()
    assert (ROOT / "alerts/runbooks" / notes["runbook_url"].rsplit("/", 1)[-1]).is_file()
    mails = walker.shop.url("MAIL_PORT", "/api/v1/search", query="to:heartbeat@sightline.example")
    wait_until(lambda: ask(mails)[2]["messages"], seconds=120, interval=2)
    return f"Watchdog was mailed; dashboard {uid}, {notes['runbook_url']}"


def streams(walker: Walker) -> list[str]:
    """Return the service of each stream that Loki holds."""
    answer = walker.inside("loki", "/loki/api/v1/series", **{"match[]": '{service_name=~".+"}'})
    return [series["service_name"] for series in answer["data"]]


def streams_per_service(walker: Walker) -> str:
    """Loki holds one stream per service, whatever the number of processes."""
    names = streams(walker)
    most = max(names.count(name) for name in names)
    assert most <= 3, names
    return f"{len(names)} streams of {len(set(names))} services"


def series_per_instance(walker: Walker) -> str:
    """An instance of ours exposes a bounded number of series."""
    jobs = "|".join(SERVICES)
    query = f'max by (job) (max_over_time(scrape_samples_scraped{{job=~"{jobs}"}}[15m]))'
    counts = walker.shop.wait_for(query)
    assert max(counts.values()) <= 1500, counts
    return " ".join(f"{job} {count:.0f}" for job, count in counts.items())


EDGES: list[Callable[[Walker], str]] = [
    exemplar_to_trace,
    trace_to_logs,
    log_to_trace,
    trace_to_metrics,
    trace_to_service_graph,
    alert_to_dashboard_to_runbook,
    streams_per_service,
    series_per_instance,
]


def walk(sut: Project, shop: Shop) -> None:
    """Walk every edge and say what was seen at its end."""
    walker = Walker(sut, shop)
    for edge in EDGES:
        say(f"{edge.__name__.replace('_', ' ')}: {edge(walker)}")
