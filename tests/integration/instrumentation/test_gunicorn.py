"""A real gunicorn: forks, recycled workers, a receiver that is down, shared metrics."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.instrumentation.conftest import (
    OPENMETRICS,
    GrpcReceiver,
    Site,
    both_engines,
    samples,
    total,
)
from tools.bench.sink import Sink
from tools.servers import free_port, running_prometheus, wait_until

COUNT = "http_server_request_duration_seconds_count"
StartSite = Callable[..., Site]


def server_spans(sink: Sink) -> list[str]:
    return [span.name for span in sink.spans if span.kind == 2]


def access_lines(site: Site) -> int:
    return sum('"access"' in line for line in site.lines())


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


@both_engines
@pytest.mark.parametrize(
    ("arguments", "processes"),
    [
        (["--workers", "1"], 1),
        (["--workers", "4"], 2),
        (["--workers", "4", "--preload"], 2),
        (["--workers", "2", "--max-requests", "5"], 4),
    ],
    ids=["one worker", "four workers", "preload", "max-requests"],
)
def test_fifty_requests_make_fifty_server_spans_however_gunicorn_forks(
    start_site: StartSite, sink: Sink, arguments: list[str], processes: int
) -> None:
    site = start_site(sink.url, *arguments)
    with ThreadPoolExecutor(16) as pool:
        # More requests at once than one worker has threads, so that others serve some.
        list(pool.map(lambda _: site.get_persistently("/sleep/0.1"), range(32)))
        codes = list(pool.map(lambda n: site.get_persistently(f"/orders/{n}"), range(50)))
    assert codes == [200] * 50
    assert site.stop() == 0
    # A request may be served twice where workers are recycled, so count what was served.
    served = sum('"body":"GET /orders/' in line for line in site.lines())
    assert served == 50 or "--max-requests" in arguments
    assert not [line for line in site.lines() if re.search("SIG(BUS|SEGV|ABRT|KILL)", line)]
    assert Counter(server_spans(sink))["GET /orders/<order_id>"] == served
    assert sink.span_names()["look up"] == served
    instances = {resource["service.instance.id"] for resource in sink.span_resources}
    assert len(instances) >= processes


def test_a_site_stops_in_time_with_exit_code_0_while_the_receiver_is_down(
    start_site: StartSite,
) -> None:
    site = start_site(f"http://127.0.0.1:{free_port()}")
    assert [site.get("/orders/1") for _ in range(10)] == [200] * 10
    started = time.monotonic()
    assert site.stop() == 0
    assert time.monotonic() - started < 8


@both_engines
def test_a_site_serves_and_stops_in_time_while_the_receiver_hangs(
    start_site: StartSite, sink: Sink
) -> None:
    sink.before_answer = lambda: time.sleep(30)
    site = start_site(sink.url)
    started = time.monotonic()
    assert [site.get("/orders/1") for _ in range(100)] == [200] * 100
    assert time.monotonic() - started < 10
    started = time.monotonic()
    assert site.stop() == 0
    assert time.monotonic() - started < 8


@both_engines
def test_an_outage_logs_one_line_per_process_and_loses_nothing_that_fits_the_queue(
    start_site: StartSite, sink: Sink
) -> None:
    sink.status = 503
    site = start_site(sink.url)
    for number in range(60):
        site.get(f"/orders/{number}")
    wait_until(lambda: any("failed" in line for line in site.lines()))
    sink.status = 200
    wait_until(lambda: len(server_spans(sink)) == 60)
    complaints = [line for line in site.lines() if '"exporting' in line]
    assert len(complaints) <= 2
    assert all(json.loads(line) for line in site.lines())
    exposed = wait_until(lambda: _when(site.metrics(), "telemetry_spans_exported_total", 120))
    assert total(exposed, "telemetry_spans_dropped_total") == 0


def _when(text: str, name: str, value: float) -> str | None:
    return text if total(text, name) == value else None


def test_what_the_fault_switch_drops_is_counted_by_reason(
    start_site: StartSite, sink: Sink, tmp_path: Path
) -> None:
    (tmp_path / "drop").touch()
    site = start_site(sink.url, TEST_DROP_FILE=str(tmp_path / "drop"))
    for number in range(10):
        site.get(f"/orders/{number}")
    wait_until(lambda: total(site.metrics(), "telemetry_spans_dropped_total", reason="fault") == 20)
    (tmp_path / "drop").unlink()
    site.get("/orders/seen")
    wait_until(lambda: len(server_spans(sink)) == 1)
    exposed = site.metrics()
    assert total(exposed, "telemetry_spans_ended_total", sampled="true") == 22
    assert total(exposed, "telemetry_spans_exported_total") == 2


def test_log_lines_about_failed_exports_cause_no_more_of_them(
    start_site: StartSite, sink: Sink
) -> None:
    sink.status = 500
    site = start_site(sink.url)
    site.get("/orders/1")
    for expected in ("GET /orders/1", "failed"):
        wait_until(lambda text=expected: any(text in line for line in site.lines()))
    before = len(site.lines())
    requests = len(sink.requests)
    wait_until(lambda: len(sink.requests) >= requests, 2)
    time.sleep(1.5)
    assert len(site.lines()) == before


@pytest.mark.slow
def test_grpc_exports_what_workers_do_after_a_preload_and_a_kill(
    start_site: StartSite, grpc_receiver: GrpcReceiver
) -> None:
    options = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "TEST_MASTER_TELEMETRY": "1"}
    site = start_site(grpc_receiver.url, "--preload", "--workers", "2", **options)
    os.kill(children(site.pid)[0], signal.SIGKILL)
    wait_until(lambda: any("SIGKILL" in line for line in site.lines()))
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda n: site.get_persistently(f"/orders/{n}"), range(20))) == {200}
    wait_until(lambda: grpc_receiver.count("span GET /orders/<order_id>") >= 20)
    wait_until(lambda: grpc_receiver.count("line looking up") >= 20)
    assert site.stop() == 0
    assert all(json.loads(line) for line in site.lines())


def test_grpc_is_not_loaded_in_the_master(start_site: StartSite) -> None:
    site = start_site(
        f"http://127.0.0.1:{free_port()}",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        TEST_MASTER_TELEMETRY="1",
    )
    site.get("/orders/1")
    worker = children(site.pid)[0]
    wait_until(lambda: "grpc" in Path(f"/proc/{worker}/maps").read_text())
    assert "grpc" not in Path(f"/proc/{site.pid}/maps").read_text()


def test_the_base_url_gets_the_signals_paths_whether_or_not_it_ends_in_a_slash(
    start_site: StartSite, sink: Sink
) -> None:
    site = start_site(sink.url + "/")
    site.get("/orders/1")
    site.stop()
    assert set(sink.requests) == {"/v1/traces", "/v1/logs"}
    assert any(f"traces and logs go to {sink.url}" in line for line in site.lines())


def test_an_endpoint_with_a_signals_path_is_warned_about_once(
    start_site: StartSite, sink: Sink
) -> None:
    site = start_site(f"{sink.url}/v1/traces")
    assert site.get("/orders/1") == 200
    warnings = [line for line in site.lines() if "ends in a signal's path" in line]
    assert len(warnings) == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in warnings[0]


def test_probes_make_no_spans_no_series_and_no_lines(start_site: StartSite, sink: Sink) -> None:
    site = start_site(sink.url)
    for _ in range(20):
        site.get("/livez")
        site.get("/livez?x=1")
    site.get("/livez-kit")
    site.stop()
    assert server_spans(sink) == ["GET"]
    assert not [line for line in site.lines() if '"/livez"' in line]


def test_every_scrape_of_four_workers_has_the_same_total(start_site: StartSite, sink: Sink) -> None:
    site = start_site(sink.url, "--workers", "4")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: site.get(f"/orders/{n}"), range(100)))
    route = "/orders/<order_id>"
    seen = {total(site.metrics(), COUNT, http_route=route) for _ in range(20)}
    assert seen == {100}


def test_every_route_exists_at_0_before_the_first_request(
    start_site: StartSite, sink: Sink
) -> None:
    site = start_site(sink.url, "--workers", "2")
    exposed = samples(site.metrics())
    for code in ("200", "500", "503"):
        series = (
            f'{COUNT}{{http_request_method="GET",http_response_status_code="{code}",'
            'http_route="/orders/<order_id>"}'
        )
        assert exposed[series] == 0
    assert exposed['telemetry_spans_dropped_total{reason="queue_full"}'] == 0


@pytest.mark.slow
def test_recycled_workers_leave_exact_totals_that_never_fall_and_a_small_folder(
    start_site: StartSite, sink: Sink
) -> None:
    site = start_site(sink.url, "--workers", "2", "--max-requests", "20")
    seen: list[float] = []
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(site.get_persistently, f"/orders/{n}") for n in range(600)]
        while not all(job.done() for job in jobs):
            seen.append(total(site.metrics(), COUNT))
        assert [job.result() for job in jobs] == [200] * 600
    assert seen == sorted(seen)
    # gunicorn may close a connection that a leaving worker has served, so access lines are counted.
    wait_until(lambda: total(site.metrics(), COUNT) == access_lines(site) >= 600, 5)
    started = time.monotonic()
    exposed = site.metrics()
    assert time.monotonic() - started < 1
    assert 'pid="' not in exposed
    assert sum(path.stat().st_blocks * 512 for path in site.metrics_folder.iterdir()) < 2_000_000


def test_a_killed_worker_leaves_its_counts_but_no_gauge(start_site: StartSite, sink: Sink) -> None:
    site = start_site(sink.url, "--workers", "1")
    site.get("/orders/1")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(site.get, "/sleep/30.0")
        wait_until(lambda: total(site.metrics(), "http_server_active_requests") == 1)
        os.kill(children(site.pid)[0], signal.SIGKILL)
        with pytest.raises(Exception, match=r"closed|reset"):
            hanging.result(10)
    wait_until(lambda: total(site.metrics(), "http_server_active_requests") == 0)
    assert total(site.metrics(), COUNT, http_route="/orders/<order_id>") == 1


def test_exemplars_of_all_workers_name_traces_that_exist(
    start_site: StartSite, sink: Sink, tmp_path: Path
) -> None:
    site = start_site(sink.url, "--workers", "4")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: site.get(f"/orders/{n}"), range(80)))
    site.get("/sleep/0.3")
    exposed = site.metrics(OPENMETRICS)
    assert exposed.endswith("# EOF\n")
    found = set(re.findall(r'# \{trace_id="([0-9a-f]{32})"\}', exposed))
    slow = re.findall(r'le="0.35"\} 1.0 # \{trace_id="([0-9a-f]{32})"\} (0\.3\d*)', exposed)
    assert len(slow) == 1
    config = "\n".join(
        [
            "global: {scrape_interval: 1s}",
            "scrape_configs:",
            "- job_name: site",
            f"  static_configs: [{{targets: ['127.0.0.1:{site.metrics_port}']}}]",
        ]
    )
    with running_prometheus(tmp_path, config, "--enable-feature=exemplar-storage") as prometheus:
        stored = wait_until(lambda: _exemplars(prometheus))
    wait_until(lambda: len(server_spans(sink)) == 81)
    traces = {span.trace_id.hex() for span in sink.spans}
    assert slow[0][0] in stored
    assert found <= traces
    assert stored <= traces


def _exemplars(prometheus: str) -> set[str]:
    import urllib.parse
    import urllib.request

    query = urllib.parse.urlencode(
        {
            "query": "http_server_request_duration_seconds_bucket",
            "start": time.time() - 600,
            "end": time.time() + 600,
        }
    )
    with urllib.request.urlopen(f"{prometheus}/api/v1/query_exemplars?{query}") as answer:
        data = json.load(answer)["data"]
    return {item["labels"]["trace_id"] for series in data for item in series["exemplars"]}


def test_gunicorn_does_not_start_without_a_metrics_folder(start_site: StartSite) -> None:
    site = start_site("http://127.0.0.1:1", expect_ready=False, PROMETHEUS_MULTIPROC_DIR="")
    wait_until(lambda: "PROMETHEUS_MULTIPROC_DIR" in site.log.read_text())
    assert site.stop() != 0


def test_two_services_cannot_share_a_metrics_folder(start_site: StartSite, sink: Sink) -> None:
    first = start_site(sink.url)
    second = start_site(
        sink.url, expect_ready=False, PROMETHEUS_MULTIPROC_DIR=str(first.metrics_folder)
    )
    wait_until(lambda: "no other running process uses" in second.log.read_text())
    assert second.stop() != 0
    assert first.get("/orders/1") == 200


def test_a_restart_begins_at_0(start_site: StartSite, sink: Sink) -> None:
    first = start_site(sink.url)
    first.get("/orders/1")
    first.stop()
    second = start_site(sink.url, PROMETHEUS_MULTIPROC_DIR=str(first.metrics_folder))
    assert total(second.metrics(), COUNT) == 0


def test_a_reload_keeps_the_counts(start_site: StartSite, sink: Sink) -> None:
    site = start_site(sink.url)
    site.get("/orders/1")
    before = children(site.pid)
    os.kill(site.pid, signal.SIGHUP)
    wait_until(lambda: not set(before) & set(children(site.pid)))
    wait_until(lambda: site.get("/livez") == 200)
    assert total(site.metrics(), COUNT, http_route="/orders/<order_id>") == 1


def test_each_request_has_one_access_line_with_the_id_of_its_trace(
    start_site: StartSite, sink: Sink
) -> None:
    site = start_site(sink.url, "--workers", "2")
    ids = [f"{number + 1:032x}" for number in range(20)]
    for trace_id in ids:
        code, headers = site.answer(
            "/orders/1", {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        )
        assert code == 200
        assert headers["traceresponse"].split("-")[1] == trace_id
    site.stop()
    lines = [json.loads(line) for line in site.lines()]
    access = [line["trace_id"] for line in lines if line["logger"] == "access"]
    assert sorted(access) == ids
    assert sink.log_scopes["access"] == 20
    assert all("trace_id" not in line for line in lines if line["logger"] == "gunicorn.error")


def test_the_masters_own_lines_are_exported_too(start_site: StartSite, sink: Sink) -> None:
    site = start_site(sink.url, TEST_MASTER_TELEMETRY="1")
    os.kill(children(site.pid)[0], signal.SIGKILL)
    wait_until(lambda: any("SIGKILL" in line.body.string_value for line in sink.logs))


def test_every_log_line_from_start_to_stop_is_json(start_site: StartSite, sink: Sink) -> None:
    site = start_site(sink.url)
    site.get("/fail")
    site.get("/none")
    site.stop()
    lines = [json.loads(line) for line in site.lines()]
    failure = next(line for line in lines if line.get("exception.type") == "RuntimeError")
    assert "Traceback" in failure["exception.stacktrace"]
    assert re.fullmatch(r"[0-9a-f]{32}", failure["trace_id"])
