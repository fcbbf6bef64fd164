"""A real gunicorn, a real Celery worker and an OTLP receiver for each test."""

from __future__ import annotations

import http.client
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.recorded import telemetry  # noqa: F401 - a fixture
from tools.bench.sink import Sink
from tools.servers import ROOT, Redis, free_port, running, wait_until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


# For the tests that `make check` runs with both engines; `make nightly` runs all others with `sdk`.
both_engines = pytest.mark.parametrize(
    "engine", ["lean", pytest.param("sdk", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(params=["lean", pytest.param("sdk", marks=pytest.mark.nightly)])
def engine(request: pytest.FixtureRequest) -> str:
    """The value of TELEMETRY_ENGINE."""
    return request.param


@pytest.fixture
def sink() -> Iterator[Sink]:
    """An OTLP receiver that keeps what it receives."""
    receiver = Sink().start()
    yield receiver
    receiver.close()


@dataclass
class GrpcReceiver:
    """An OTLP receiver over gRPC."""

    url: str
    log: Path

    def count(self, what: str) -> int:
        """Return how often it received `span NAME` or `line BODY`."""
        return self.log.read_text().splitlines().count(what)


@pytest.fixture
def grpc_receiver(tmp_path: Path) -> Iterator[GrpcReceiver]:
    port, log = free_port(), tmp_path / "grpc_receiver.log"
    command = [sys.executable, "-m", "tests.grpc_receiver", str(port)]
    with running(command, log=log, cwd=ROOT, ready=lambda: "ready" in log.read_text()):
        yield GrpcReceiver(f"http://127.0.0.1:{port}", log)


def scrape(port: int, accept: str = "text/plain") -> str:
    """Return the exposition of a metrics port."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def samples(text: str) -> dict[str, float]:
    """Return the series of an exposition and their values; exemplars are cut off."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, value = line.split(" # ")[0].rsplit(" ", 1)
            found[series] = float(value)
    return found


def total(text: str, name: str, **labels: str) -> float:
    """Add up a family's series that have these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        value
        for series, value in samples(text).items()
        if series.split("{")[0] == name and all(pair in series for pair in wanted)
    )


@dataclass
class Site:
    """A running gunicorn."""

    port: int
    metrics_port: int
    pid: int
    log: Path
    metrics_folder: Path
    stop: Callable[[], int]

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> int:
        return self.answer(path, headers, method)[0]

    def get_persistently(self, path: str) -> int:
        """Repeat the request when gunicorn recycles the worker before it has answered."""
        while True:
            with suppress(ConnectionError, http.client.HTTPException):
                return self.get(path)

    def answer(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, dict[str, str]]:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                answer.read()
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            error.read()
            error.close()
            return error.code, dict(error.headers)

    def metrics(self, accept: str = "text/plain") -> str:
        return scrape(self.metrics_port, accept)

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()


@dataclass
class Starter:
    """A starter of programs below one folder; they end with the test."""

    folder: Path
    stack: ExitStack
    engine: str
    count: int = field(default=0)

    def environment(self, endpoint: str, extra: dict[str, str]) -> tuple[dict[str, str], Path]:
        self.count += 1
        metrics = self.folder / f"metrics{self.count}"
        metrics.mkdir()
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "TEST_METRICS_PORT": str(free_port()),
            # Unset for `lean`, the default.
            "TELEMETRY_ENGINE": "" if self.engine == "lean" else self.engine,
        }
        return variables | extra, metrics


@pytest.fixture
def starter(tmp_path: Path, engine: str) -> Iterator[Starter]:
    with ExitStack() as stack:
        yield Starter(tmp_path, stack, engine)


@pytest.fixture
def start_site(starter: Starter) -> Callable[..., Site]:
    """Start gunicorn with the test app: `start_site(endpoint, "--workers", "2", VARIABLE="x")`."""

    def start(endpoint: str, *arguments: str, expect_ready: bool = True, **extra: str) -> Site:
        variables, metrics = starter.environment(endpoint, extra)
        port, log = free_port(), starter.folder / f"site{starter.count}.log"
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "python:tests.integration.instrumentation.web_conf",
        ]
        command += [
            "-b",
            f"127.0.0.1:{port}",
            *arguments,
            "tests.integration.instrumentation.web_app:make()",
        ]
        process = starter.stack.enter_context(running(command, log=log, cwd=ROOT, env=variables))

        def stop() -> int:
            process.terminate()
            return process.wait(30)

        metrics_port = int(variables["TEST_METRICS_PORT"])
        site = Site(port, metrics_port, process.pid, log, metrics, stop)
        if expect_ready:
            wait_until(lambda: site.get("/livez") == 200 and site.metrics(), 40)
        return site

    return start


@dataclass
class Worker:
    """A running Celery worker."""

    pid: int
    metrics_port: int
    log: Path
    metrics_folder: Path
    stop: Callable[[], int]
    wait: Callable[[float], int]

    def metrics(self, accept: str = "text/plain") -> str:
        return scrape(self.metrics_port, accept)

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(word) for word in text.split()]


@pytest.fixture
def broker(start_redis: Callable[..., Redis]) -> str:
    return f"redis://127.0.0.1:{start_redis().port}/0"


@pytest.fixture
def start_worker(starter: Starter) -> Callable[..., Worker]:
    """Start a worker: `start_worker(broker, endpoint, "-c", "2")`; a variable "" is unset."""

    def start(
        broker: str,
        endpoint: str,
        *arguments: str,
        expect_ready: bool = True,
        app: str = "tests.integration.instrumentation.tasks_app:app",
        **extra: str,
    ) -> Worker:
        variables, metrics = starter.environment(endpoint, {"TEST_BROKER": broker, **extra})
        variables = {name: value for name, value in variables.items() if value}
        log = starter.folder / f"worker{starter.count}.log"
        command = [sys.executable, "-m", "celery", "-A", app]
        command += ["worker", "-Q", "orders", "--without-gossip", "--without-mingle"]
        process = starter.stack.enter_context(
            running([*command, "--without-heartbeat", *arguments], log=log, cwd=ROOT, env=variables)
        )

        def stop() -> int:
            process.terminate()
            return process.wait(30)

        if expect_ready:
            wait_until(lambda: re.search(r"celery@\S+ ready", log.read_text()), 40)
        port = int(variables["TEST_METRICS_PORT"])
        return Worker(process.pid, port, log, metrics, stop, process.wait)

    return start
