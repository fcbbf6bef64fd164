"""HTTP calls, dependencies and gauges, as seen from the process that has them."""

from __future__ import annotations

import os
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest

from observability.instrumentation import semconv
from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.exposition import make_registry
from observability.instrumentation.metrics import ScrapeGauge, bounded
from observability.instrumentation.requests import instrument_session
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.testing import RecordedTelemetry
from tools.servers import free_port, wait_until


@pytest.fixture
def echo() -> Any:
    """A server that answers 200 or the status in the path, and keeps the headers it gets."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(int(self.path.rpartition("/")[2].partition("?")[0] or 200))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, seen
    server.shutdown()
    server.server_close()


def test_a_client_request_is_a_span_and_carries_the_trace_context(
    echo: Any, telemetry: RecordedTelemetry
) -> None:
    port, seen = echo
    with requests.Session() as session, telemetry.tracer.start_as_current_span("root"):
        instrument_session(instrument_session(session, telemetry), telemetry)
        session.get(f"http://user:secret@127.0.0.1:{port}/charges/200?token=secret")
        session.get(f"http://127.0.0.1:{port}/503")
    good, bad, _ = telemetry.spans
    assert (good.name, good.kind.name) == ("GET", "CLIENT")
    assert good.attributes["url.full"] == f"http://127.0.0.1:{port}/charges/200"
    assert seen[0]["traceparent"].split("-")[2] == f"{good.context.span_id:016x}"
    assert bad.attributes["http.response.status_code"] == 503
    assert bad.status.status_code.name == "ERROR"
    assert "secret" not in str([dict(span.attributes) for span in telemetry.spans])


def test_a_connection_error_is_recorded_in_the_span(telemetry: RecordedTelemetry) -> None:
    with requests.Session() as session, telemetry.tracer.start_as_current_span("root"):
        instrument_session(session, telemetry)
        with pytest.raises(requests.ConnectionError):
            session.get(f"http://127.0.0.1:{free_port()}/")
    assert telemetry.span("GET").attributes["error.type"] == "ConnectionError"


def probed(probes: DependencyProbes) -> dict[str, float]:
    (family,) = probes.collect()
    return {sample.labels["dependency"]: sample.value for sample in family.samples}


def test_a_dependency_is_up_down_or_hanging_at_the_moment_of_the_scrape() -> None:
    release = threading.Event()
    calls = {"count": 0}

    def fail() -> None:
        raise OSError("refused")

    def hang() -> None:
        calls["count"] += 1
        release.wait(20)

    probes = DependencyProbes(
        {"postgres": lambda: None, "cache": fail, "smtp": lambda: False, "broker": hang},
        timeout_seconds=0.2,
    )
    expected = {"postgres": 1, "cache": 0, "smtp": 0, "broker": 0}
    started = time.monotonic()
    assert probed(probes) == expected
    assert probed(probes) == expected
    assert time.monotonic() - started < 5
    assert calls["count"] == 1
    release.set()
    wait_until(lambda: probed(probes)["broker"] == 1)


def test_collectors_that_hang_are_left_out_and_hold_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("observability.instrumentation.exposition.SCRAPE_SECONDS", 0.3)
    metrics = [semconv.Metric(f"rows_{n}", "gauge", "1", "Rows.", ()) for n in range(4)]
    release = threading.Event()
    calls = {"count": 0}

    def hang() -> dict[tuple[str, ...], float]:
        calls["count"] += 1
        release.wait(20)
        return {(): 1.0}

    reads = [hang, lambda: {(): 2.0}, hang, lambda: {(): 3.0}]
    gauges = [ScrapeGauge(metric, read) for metric, read in zip(metrics, reads, strict=True)]
    registry = make_registry(TelemetrySettings(), gauges)

    def scrape() -> list[float]:
        samples = [sample for found in registry.collect() for sample in found.samples]
        return [sample.value for sample in samples if sample.name.startswith("rows_")]

    def failures(collector: str, reason: str) -> float | None:
        labels = {"collector": collector, "reason": reason}
        return registry.get_sample_value("telemetry_scrape_failures_total", labels)

    started = time.monotonic()
    assert scrape() == [2.0, 3.0]
    assert scrape() == [2.0, 3.0]
    assert time.monotonic() - started < 2
    assert calls["count"] == 2
    # The third scrape, which reads this.
    assert failures("rows_0", "late") == 3
    assert failures("rows_1", "late") == 0
    release.set()
    wait_until(lambda: scrape() == [1.0, 2.0, 1.0, 3.0])


def test_what_fails_is_absent_and_counted_and_the_scrape_succeeds() -> None:
    metric = semconv.Metric("rows", "gauge", "1", "Rows.", ())

    def fail() -> Any:
        raise OSError("away")

    class Broken:
        def collect(self) -> Any:
            raise RuntimeError("a bug")

    own = CollectorRegistry()
    own.register(Broken())
    gauge, broken = ScrapeGauge(metric, fail), Broken()
    registry = make_registry(TelemetrySettings(), [gauge, broken], own=own)
    for scrape in (1, 2):
        text = generate_latest(registry).decode()
        assert "\nrows " not in text
        assert "process_memory_usage_bytes" in text
        failed = 'telemetry_scrape_failures_total{collector="%s",reason="failed"} %d.0'
        for name in ("rows", "Broken", "CollectorRegistry"):
            assert failed % (name, scrape) in text


def test_a_metrics_file_that_cannot_be_read_costs_its_series_and_no_scrape(tmp_path: Path) -> None:
    # 64 bytes are used, and the first key is longer than all of them.
    broken = struct.pack("<i4xi52x", 64, 9999)
    (tmp_path / f"counter_{os.getpid()}.db").write_bytes(broken)
    registry = make_registry(TelemetrySettings(multiproc_dir=tmp_path))
    text = generate_latest(registry).decode()
    labels = 'collector="FamilyCollector",reason="failed"'
    assert f"telemetry_scrape_failures_total{{{labels}}} 1.0" in text


def test_a_gauge_that_cannot_be_read_is_absent_and_logged_once(
    telemetry: RecordedTelemetry,
) -> None:
    metric = semconv.Metric("rows", "gauge", "1", "Rows.", ("kind",))
    answers: list[Any] = [{("a",): 3.0}, OSError("away"), OSError("away"), {("a",): 4.0}]

    def read() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    gauge = ScrapeGauge(metric, read)
    found = [[s.value for f in gauge.collect() for s in f.samples] for _ in range(4)]
    assert found == [[3.0], [], [], [4.0]]
    assert len([line for line in telemetry.logs if "rows cannot be read" in line.body]) == 1


def test_an_unknown_value_becomes_the_one_other_value() -> None:
    assert bounded("GET", semconv.KNOWN_METHODS) == "GET"
    assert bounded("get", semconv.KNOWN_METHODS) == "_OTHER"


def test_an_instrument_is_made_once_and_only_of_its_kind(telemetry: RecordedTelemetry) -> None:
    metrics = telemetry.metrics
    assert metrics.counter(semconv.CACHE_REQUESTS) is metrics.counter(semconv.CACHE_REQUESTS)
    with pytest.raises(TypeError, match="is a counter"):
        metrics.gauge(semconv.CACHE_REQUESTS)
