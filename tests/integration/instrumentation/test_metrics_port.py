"""Connections to a metrics port that wait: they end, and scrapes are answered meanwhile."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import celery
import pytest
from prometheus_client import CollectorRegistry, Gauge

from observability.instrumentation import exposition
from observability.instrumentation.settings import TelemetrySettings
from tests.integration.instrumentation.conftest import Site, Worker
from tools.bench.sink import Sink
from tools.servers import wait_until

HEADS = {"idle": b"", "slow head": b"GET /metrics HTTP/1.1\r\nX-Slow: "}


@pytest.fixture
def port() -> Iterator[int]:
    own = CollectorRegistry()
    Gauge("answer", "A number.", registry=own).set(42)
    server = exposition.start_metrics_server(TelemetrySettings(), 0, own=own, host="127.0.0.1")
    yield server.port
    server.close()


@pytest.fixture
def connect(port: int) -> Iterator[Callable[[bytes], socket.socket]]:
    with ExitStack() as stack:

        def connect(first: bytes) -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            stack.callback(connection.close)
            connection.send(first)
            return connection

        yield connect


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("first", HEADS.values(), ids=HEADS)
def test_waiting_connections_use_few_threads_and_scrapes_are_answered(
    port: int,
    connect: Callable[[bytes], socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    first: bytes,
) -> None:
    monkeypatch.setattr(exposition._Handler, "timeout", 300)
    monkeypatch.setattr(exposition, "CONNECTION_SECONDS", 300)
    before = threading.active_count()
    waiting = [connect(first) for _ in range(300)]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        assert b"answer 42.0" in answer.read()
    wait_until(lambda: threading.active_count() - before <= exposition.MOST_CONNECTIONS, 30)
    assert is_closed(waiting[0])
    assert not is_closed(waiting[-1])


def test_a_connection_ends_when_its_client_says_nothing(
    connect: Callable[[bytes], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition._Handler, "timeout", 0.2)
    connection = connect(b"")
    wait_until(lambda: is_closed(connection), 30)


def test_a_connection_ends_although_its_client_sends_a_byte_now_and_then(
    connect: Callable[[bytes], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "CONNECTION_SECONDS", 0.5)
    connection = connect(b"GET /metrics HTTP/1.1\r\nX-Slow: ")

    def drip() -> bool:
        try:
            connection.send(b"x")
        except ConnectionError:
            return True
        return is_closed(connection)

    wait_until(drip, 30)


def test_a_scrape_in_openmetrics_is_answered(port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.read().endswith(b"# EOF\n")


def status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.slow
def test_gunicorn_answers_every_scrape_while_workers_come_and_go(
    start_site: Callable[..., Site], sink: Sink
) -> None:
    site = start_site(sink.url, "--workers", "2", "--max-requests", "10", TEST_PROBES="1")
    with ThreadPoolExecutor(12) as pool:
        requests = [pool.submit(site.get_persistently, f"/orders/{n}") for n in range(200)]
        scrapes = [pool.submit(status, site.metrics_port) for _ in range(200)]
        assert {one.result() for one in scrapes} == {200}
        assert {one.result() for one in requests} == {200}
    assert 'dependency_up{dependency="quick"} 1.0' in site.metrics()


@pytest.mark.slow
def test_a_worker_answers_every_scrape_while_children_come_and_go(
    start_worker: Callable[..., Worker], broker: str, sink: Sink
) -> None:
    worker = start_worker(
        broker, sink.url, "-c", "2", "--max-tasks-per-child", "3", TEST_PROBES="1"
    )
    app = celery.Celery("producer", broker=broker, task_ignore_result=True)
    for _ in range(60):
        app.send_task("succeed", queue="orders")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: status(worker.metrics_port), range(200))) == {200}
    assert 'dependency_up{dependency="quick"} 1.0' in worker.metrics()
