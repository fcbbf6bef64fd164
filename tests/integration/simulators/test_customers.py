"""The customers press as hard as they are told, and no harder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from simulators.load import main, read_rate, write_rate
from tools.servers import ROOT, free_port, running, wait_until


class Service(ThreadingHTTPServer):
    """Take any order, and count."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.seen: list[tuple[float, str, str]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(200, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(201, {"id": str(uuid.uuid4())})

    def _answer(self, status: int, document: dict) -> None:
        if self.path != "/livez":
            self.server.seen.append((time.monotonic(), self.command, self.path))
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def service_port():
    return free_port()


@pytest.fixture
def load_file(tmp_path):
    return tmp_path / "load.json"


@pytest.fixture
def customers(tmp_path, service_port, load_file):
    environ = {
        "ORDERS_URL": f"http://127.0.0.1:{service_port}",
        "ORDERS_LOAD_FILE": str(load_file),
        "OTEL_SDK_DISABLED": "true",
    }
    command = [sys.executable, "-m", "simulators.customers"]
    log = tmp_path / "customers.log"
    with running(command, log=log, env=environ, cwd=ROOT) as process:
        yield process


def rate_over(service, seconds: float) -> float:
    """Return requests per second over a stretch that begins now."""
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began >= seconds, seconds + 5)
    return sum(1 for moment, _, _ in service.seen if moment >= began) / seconds


@pytest.mark.slow
def test_they_wait_for_the_service_keep_the_rate_follow_the_file_and_go_on_term(
    customers, service_port, load_file
):
    write_rate(load_file, 20)
    wait_until(lambda: customers.poll() is None, 1)
    with Service(service_port) as service:
        wait_until(lambda: len(service.seen) > 20, 30)
        assert rate_over(service, 4) == pytest.approx(20, rel=0.2)
        write_rate(load_file, 60)
        wait_until(lambda: rate_over(service, 1) > 40, 15)
        assert rate_over(service, 3) == pytest.approx(60, rel=0.2)
        kinds = Counter(
            "cancel" if path.endswith("/cancel") else f"{method} {path.split('?')[0].count('/')}"
            for _, method, path in service.seen
        )
        assert 0.15 < kinds["POST 2"] / len(service.seen) < 0.32
        assert kinds["GET 3"] > kinds["GET 2"] > kinds["cancel"] > 0
        write_rate(load_file, 0)
        wait_until(lambda: rate_over(service, 1) == 0, 10)
        customers.send_signal(signal.SIGTERM)
        assert customers.wait(10) == 0
        service.shutdown()


def test_the_rate_is_written_whole_and_read_back(load_file):
    write_rate(load_file, 12.5)
    assert json.loads(load_file.read_text()) == {"rate": 12.5}
    assert read_rate(load_file, 10) == 12.5
    assert [path.name for path in load_file.parent.iterdir()] == [load_file.name]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"rate": "x"}', '{"rate": -1}'])
def test_an_invalid_file_leaves_the_rate_unchanged(load_file, text):
    load_file.write_text(text)
    assert read_rate(load_file, 10) == 10


@pytest.mark.parametrize("words", [[], ["fast"], ["-1"], ["1e9"], ["nan"]])
def test_an_invalid_rate_is_refused(load_file, words):
    done = CliRunner().invoke(main, words, env={"ORDERS_LOAD_FILE": str(load_file)})
    assert done.exit_code == 2
    assert not load_file.exists()


def test_the_command_sets_the_rate(load_file):
    done = CliRunner().invoke(main, ["25"], env={"ORDERS_LOAD_FILE": str(load_file)})
    assert (done.exit_code, done.output) == (0, "25 requests per second\n")
    assert read_rate(load_file, 10) == 25


def test_without_a_file_the_command_names_the_missing_variable():
    done = CliRunner().invoke(main, ["10"], env={"ORDERS_LOAD_FILE": None})
    assert done.exit_code == 2
    assert "ORDERS_LOAD_FILE" in done.stderr


def test_a_bad_setting_stops_them_with_one_message():
    environ = {"ORDERS_LOAD_RATE": "fast", "ORDERS_URL": "ftp://x"}
    command = [sys.executable, "-m", "simulators.customers"]
    done = subprocess.run(
        command, check=False, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "ORDERS_LOAD_RATE" in done.stderr
    assert "ORDERS_URL" in done.stderr
