"""Run the console: five HTTP ports, the SMTP sink and the store in one process."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from local.console.app import create_app
from local.console.forward import authorization, forwarder
from local.console.smtp import SmtpSink
from local.store.receiver import MAX_BODY_BYTES, Receiver
from local.store.store import Store
from simulators.http_server import HttpServer

if TYPE_CHECKING:
    from local.console.settings import ConsoleSettings

PAGE_THREADS = 8
OTLP_THREADS = 6
MAIL_THREADS = 2
FORWARD_THREADS = 4
# Pages and their API take no bodies.
MAX_PAGE_BODY_BYTES = 64 * 1024
# Alerts and silences, and queries that are too long for an address.
MAX_FORWARD_BODY_BYTES = 1024 * 1024
MOST_CONNECTIONS = 400
# Files, readers of the store, connections to Prometheus.
OTHER_DESCRIPTORS = 256
MOST_DESCRIPTORS = 8192


class PortTakenError(Exception):
    """A port of the console that another process has taken."""


class Console:
    """The console's servers and its store; they run until `close`.

    Raises:
        PortTakenError: A port is taken; the ports opened before are closed again.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self.store = Store(settings.state_dir / "console" / "store.sqlite", settings.limits)
        self._servers: list[HttpServer | SmtpSink] = []
        self._most = most_connections()
        app = create_app(settings, self.store, self.problem)
        mail = _at_mail_page(app)
        receiver = Receiver(self.store, self.problem)
        self._guard = settings.trusted_hosts.guard
        self._login = authorization(settings)
        try:
            self.pages_port = self._serve("GRAFANA_PORT", app, settings.pages_port, PAGE_THREADS)
            self.otlp_port = self._serve(
                "OTLP_PORT", receiver, settings.otlp_port, OTLP_THREADS, MAX_BODY_BYTES
            )
            self.mail_port = self._serve("MAIL_PORT", mail, settings.mail_port, MAIL_THREADS)
            self.prometheus_port = self._forward(
                "PROMETHEUS_PORT", settings.prometheus_port, settings.prometheus_server_port
            )
            self.alertmanager_port = self._forward(
                "ALERTMANAGER_PORT", settings.alertmanager_port, settings.alertmanager_server_port
            )
            self.smtp_port = self._sink(settings.smtp_port)
        except PortTakenError:
            self.close()
            raise

    def problem(self) -> str:
        """Return why a part of the console does not work, empty if all of them do."""
        parts = (self.store, *self._servers)
        return next((found for part in parts if (found := part.problem())), "")

    def close(self) -> None:
        """Stop listening, and write what is queued."""
        while self._servers:
            self._servers.pop().stop()
        self.store.close()

    def _serve(
        self,
        variable: str,
        app: Any,
        port: int,
        threads: int,
        max_body: int = MAX_PAGE_BODY_BYTES,
        *,
        forwards: bool = False,
    ) -> int:
        try:
            server = HttpServer(
                self._guard(app),
                name=variable,
                port=port,
                threads=threads,
                most_connections=self._most,
                max_body_bytes=max_body,
                forwards=forwards,
            )
        except OSError as error:
            raise PortTakenError(f"{variable}: 127.0.0.1:{port}: {error.strerror}") from error
        self._servers.append(server)
        return server.port

    def _forward(self, variable: str, port: int, server_port: int) -> int:
        app = forwarder(server_port, self._login)
        return self._serve(
            variable, app, port, FORWARD_THREADS, MAX_FORWARD_BODY_BYTES, forwards=True
        )

    def _sink(self, port: int) -> int:
        try:
            sink = SmtpSink(self.store, port, self._most)
        except OSError as error:
            message = f"ORDERS_SMTP_PORT: 127.0.0.1:{port}: {error.strerror}"
            raise PortTakenError(message) from error
        self._servers.append(sink)
        return sink.port


def raise_descriptor_limit() -> None:
    """Let this process open as many descriptors as it may, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def most_connections() -> int:
    """Return how many connections each of the six ports may have with this process's limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, (soft - OTHER_DESCRIPTORS) // 6))


def _at_mail_page(app: Any) -> Any:
    """Return the same application with the mail page as its start page."""

    def mail(environ: Any, start_response: Any) -> Any:
        if environ.get("PATH_INFO") == "/":
            environ["PATH_INFO"] = "/mails"
        return app(environ, start_response)

    return mail
