"""A private console on free ports, and services that send to it with the SDK's exporters."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from local.console.server import Console
from local.console.settings import ConsoleSettings
from local.servers.passwords import SERVERS, ensure_passwords, write_web_config
from local.state import StateFolder
from tools.servers import running_alertmanager

MS = 1_000_000
# What the console listens on.
PORTS = (
    *("GRAFANA_PORT", "OTLP_PORT", "MAIL_PORT", "ORDERS_SMTP_PORT"),
    *("PROMETHEUS_PORT", "ALERTMANAGER_PORT"),
)


@dataclass
class Answer:
    """An HTTP response."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, data: bytes | None = None, method: str | None = None, **headers: str) -> Answer:
    """Send a request; return the response whatever its status."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, names, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@dataclass
class Running:
    """A running console and its URLs."""

    console: Console

    @property
    def pages(self) -> str:
        return f"http://127.0.0.1:{self.console.pages_port}"

    @property
    def otlp(self) -> str:
        return f"http://127.0.0.1:{self.console.otlp_port}"

    @property
    def mail(self) -> str:
        return f"http://127.0.0.1:{self.console.mail_port}"

    def get(self, path: str, **params: Any) -> Answer:
        query = urllib.parse.urlencode(params, doseq=True)
        return ask(f"{self.pages}{path}?{query}" if query else f"{self.pages}{path}")

    def json(self, path: str, **params: Any) -> Any:
        answer = self.get(path, **params)
        assert answer.status == 200, answer.body
        return answer.json

    def metrics(self) -> dict[str, float]:
        """Samples of the console's own exposition, by name and labels as written."""
        text = self.get("/metrics").body.decode()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}


@contextmanager
def running_console(state: Path, variables: dict[str, str]) -> Iterator[Running]:
    """Run a console with these variables on top of free ports."""
    environ = dict.fromkeys(PORTS, "0") | {"ORDERS_STATE_DIR": str(state)}
    console = Console(ConsoleSettings.from_env(environ | variables))
    try:
        yield Running(console)
    finally:
        console.close()


@pytest.fixture
def start_console(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a console with these variables on top of free ports."""
    with ExitStack() as stack:

        def start(**variables: str) -> Running:
            return stack.enter_context(running_console(tmp_path / "state", variables))

        yield start


@pytest.fixture
def console(start_console: Callable[..., Running]) -> Running:
    return start_console()


@pytest.fixture
def guarded(start_console: Callable[..., Running], tmp_path: Path) -> Iterator[tuple[Running, str]]:
    """Run a console before an Alertmanager with a password; yield the latter's own address too."""
    state = StateFolder(tmp_path / "guarded")
    state.create()
    secret = state.secret(SERVERS)
    secret.parent.mkdir()
    secret.write_text('it\'s "quoted" \\ \\n $x `y` : # ü')
    ensure_passwords(state)
    write_web_config(state)
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    flag = f"--web.config.file={state.web_config}"
    with running_alertmanager(folder, config, flag) as url:
        console = start_console(
            ALERTMANAGER_SERVER_PORT=url.rsplit(":", 1)[1],
            PROMETHEUS_SERVER_PASSWORD_FILE=str(secret),
        )
        yield console, url


class Service:
    """A service that exports spans and log lines as a real one does."""

    def __init__(self, base: str, name: str) -> None:
        resource = Resource({"service.name": name, "service.namespace": "sightline"})
        self.spans = TracerProvider(resource=resource)
        self.spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces")))
        self.lines = LoggerProvider(resource=resource)
        exporter = BatchLogRecordProcessor(OTLPLogExporter(f"{base}/v1/logs"))
        self.lines.add_log_record_processor(exporter)
        self._tracer = self.spans.get_tracer("test")
        self._logger = self.lines.get_logger("test")

    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Span | None = None,
        *,
        start: int,
        took: int,
        error: str = "",
        **attributes: Any,
    ) -> Span:
        """Record one span; `order__id` in the arguments is the attribute order.id."""
        context = set_span_in_context(parent) if parent else None
        names = {key.replace("__", "."): value for key, value in attributes.items()}
        span = self._tracer.start_span(name, context, kind, names, start_time=start)
        if error:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(start + took)
        return span

    def line(self, body: str, level: SeverityNumber, at: int, span: Span | None = None) -> None:
        """Write one log line, inside a span or not."""
        context = set_span_in_context(span) if span else None
        self._logger.emit(
            LogRecord(
                timestamp=at,
                severity_number=level,
                severity_text=level.name,
                body=body,
                context=context,
            )
        )

    def flush(self) -> None:
        self.spans.force_flush()
        self.lines.force_flush()

    def close(self) -> None:
        self.spans.shutdown()
        self.lines.shutdown()


@pytest.fixture
def service(console: Running) -> Iterator[Callable[[str], Service]]:
    """Create services that export to the test's console."""
    made: dict[str, Service] = {}

    def make(name: str) -> Service:
        if name not in made:
            made[name] = Service(console.otlp, name)
        return made[name]

    yield make
    for one in made.values():
        one.close()


@pytest.fixture
def order_trace(service: Callable[[str], Service]) -> Callable[..., str]:
    """Send one order's trace through four services and return its id."""

    def send(start: int, *, took: int = 20 * MS, order_id: str = "o-1", error: str = "") -> str:
        root = service("orders").span(
            "POST /v1/orders", SpanKind.SERVER, start=start, took=took, order__id=order_id
        )
        service("orders").span(
            "INSERT orders",
            SpanKind.CLIENT,
            root,
            start=start + MS,
            took=2 * MS,
            db__system__name="postgresql",
            server__address="postgres",
        )
        sent = service("orders-relay").span(
            "send orders", SpanKind.PRODUCER, root, start=start + took, took=MS
        )
        worked = service("orders-worker").span(
            "process orders",
            SpanKind.CONSUMER,
            sent,
            start=start + took + 301 * MS,
            took=50 * MS,
            error=error,
            order__id=order_id,
        )
        call = service("orders-worker").span(
            "POST", SpanKind.CLIENT, worked, start=start + took + 310 * MS, took=20 * MS
        )
        service("payment-provider").span(
            "POST /charges", SpanKind.SERVER, call, start=start + took + 311 * MS, took=18 * MS
        )
        service("orders").line("order placed", SeverityNumber.INFO, start + MS, root)
        level = SeverityNumber.ERROR if error else SeverityNumber.INFO
        service("orders-worker").line("charge done", level, start + took + 340 * MS, worked)
        for name in ("orders", "orders-relay", "orders-worker", "payment-provider"):
            service(name).flush()
        return format(root.get_span_context().trace_id, "032x")

    return send
