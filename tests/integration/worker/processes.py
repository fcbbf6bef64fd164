"""The whole second half of an order, as processes: relay, worker, provider, mail server, sink."""

from __future__ import annotations

import os
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import Popen
from typing import Any

from aiosmtpd.controller import Controller
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from service.semconv import QUEUES
from service.settings import DatabaseSettings
from tools.servers import ROOT, Redis, free_port, is_listening, running

WORKER = [
    *("-m", "celery", "-A", "worker.main:app", "worker", "-Q", ",".join(QUEUES)),
    *("--pool", "prefork", "--without-gossip", "--without-mingle", "--without-heartbeat"),
]


@dataclass
class Mailbox:
    """A mail server that keeps what it gets; `refuse` is what it answers instead."""

    messages: list[dict[str, str]] = field(default_factory=list)
    refuse: str | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        head = envelope.content.decode().partition("\r\n\r\n")[0].replace("\r\n ", " ")
        lines = (line.partition(": ") for line in head.split("\r\n"))
        self.messages.append({name: value for name, _, value in lines})
        return "250 OK"


class Sink(ThreadingHTTPServer):
    """An OTLP receiver that keeps spans as (service, name, kind, trace id, attributes)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SinkHandler)
        self.spans: list[Span] = []


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent: str
    failed: bool


class _SinkHandler(BaseHTTPRequestHandler):
    server: Sink

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        import gzip

        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            self.server.spans += spans_in(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def spans_in(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        names = {a.key: a.value.string_value for a in resource.resource.attributes}
        for scope in resource.scope_spans:
            for s in scope.spans:
                yield Span(
                    names.get("service.name", ""),
                    s.name,
                    s.kind,
                    s.trace_id.hex(),
                    s.span_id.hex(),
                    s.parent_span_id.hex(),
                    s.status.code == 2,
                )


@dataclass
class World:
    """Everything around the worker, with addresses in `environ`."""

    folder: Path
    environ: dict[str, str]
    mailbox: Mailbox
    sink: Sink
    stack: ExitStack

    def start_provider(self) -> Popen[bytes]:
        port = self.environ["ORDERS_PAYMENT_PROVIDER_PORT"]
        return self._start(
            "payment-provider",
            ["-m", "simulators.payment_provider"],
            lambda: is_listening(int(port)),
        )

    def start_relay(self) -> Popen[bytes]:
        port = self.environ["ORDERS_RELAY_METRICS_PORT"]
        return self._start("orders-relay", ["-m", "worker.relay"], lambda: scrape(int(port)))

    def start_worker(self, children: int = 2) -> Popen[bytes]:
        port = self.environ["ORDERS_WORKER_METRICS_PORT"]
        return self._start(
            "orders-worker", [*WORKER, "-c", str(children)], lambda: scrape(int(port))
        )

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def worker_metric(self, name: str, **labels: str) -> float | None:
        samples = scrape(int(self.environ["ORDERS_WORKER_METRICS_PORT"]))
        return samples.get((name, frozenset(labels.items())))

    def relay_metric(self, name: str, **labels: str) -> float | None:
        samples = scrape(int(self.environ["ORDERS_RELAY_METRICS_PORT"]))
        return samples.get((name, frozenset(labels.items())))

    def _start(self, name: str, words: list[str], ready: Any, **more: str) -> Popen[bytes]:
        environ = {
            **self.environ,
            "OTEL_SERVICE_NAME": name,
            "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics" / name),
            **more,
        }
        process = running(
            [sys.executable, *words],
            log=self.folder / f"{name}.log",
            ready=ready,
            seconds=90,
            env=environ,
            cwd=ROOT,
        )
        return self.stack.enter_context(process)


def scrape(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the samples of a metrics port by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


@contextmanager
def running_world(
    folder: Path, database: DatabaseSettings, broker: Redis, cache: Redis
) -> Iterator[World]:
    """Run mail server and sink; the test starts the rest as it needs it."""
    mailbox, sink = Mailbox(), Sink()
    smtp = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    smtp.start()
    threading.Thread(target=sink.serve_forever, args=(0.05,), daemon=True).start()
    provider = free_port()
    environ = {
        **os.environ,
        "ORDERS_DATABASE_PORT": str(database.port),
        "ORDERS_DATABASE_NAME": database.name,
        "ORDERS_DATABASE_USER": database.user,
        "ORDERS_DATABASE_PASSWORD": database.password,
        "ORDERS_BROKER_PORT": str(broker.port),
        "ORDERS_BROKER_PASSWORD": broker.password or "",
        "ORDERS_CACHE_PORT": str(cache.port),
        "ORDERS_WORKER_METRICS_PORT": str(free_port()),
        "ORDERS_RELAY_METRICS_PORT": str(free_port()),
        "ORDERS_PAYMENT_PROVIDER_METRICS_PORT": str(free_port()),
        "ORDERS_PAYMENT_PROVIDER_PORT": str(provider),
        "ORDERS_PAYMENT_PROVIDER_URL": f"http://127.0.0.1:{provider}",
        "ORDERS_PAYMENT_PROVIDER_LEDGER": str(folder / "ledger.sqlite"),
        "ORDERS_SMTP_PORT": str(smtp.port),
        "ORDERS_FAULTS_FILE": str(folder / "faults.json"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    try:
        with ExitStack() as stack:
            yield World(folder, environ, mailbox, sink, stack)
    finally:
        smtp.stop()
        sink.shutdown()
        sink.server_close()
