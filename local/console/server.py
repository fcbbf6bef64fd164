"""Run the console: three HTTP ports, the SMTP sink and the store in one process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import waitress.server

from local.console.app import create_app
from local.console.smtp import SmtpSink
from local.store.receiver import MAX_BODY_BYTES, Receiver
from local.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.console.settings import ConsoleSettings

PAGE_THREADS = 8
OTLP_THREADS = 6
MAIL_THREADS = 2


class PortTakenError(Exception):
    """A port of the console that another process has taken."""


class Console:
    """The console's servers and its store; they run until `close`.

    Raises:
        PortTakenError: A port is taken; the ports opened before are closed again.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self.store = Store(settings.state_dir / "console" / "store.sqlite", settings.limits)
        self._closers: list[Callable[[], Any]] = [self.store.close]
        app = create_app(settings, self.store)
        mail = _at_mail_page(app)
        receiver = Receiver(self.store, self.store.problem)
        try:
            self.pages_port = self._serve("GRAFANA_PORT", app, settings.pages_port, PAGE_THREADS)
            self.otlp_port = self._serve("OTLP_PORT", receiver, settings.otlp_port, OTLP_THREADS)
            self.mail_port = self._serve("MAIL_PORT", mail, settings.mail_port, MAIL_THREADS)
            self.smtp_port = self._sink(settings.smtp_port)
        except PortTakenError:
            self.close()
            raise

    def close(self) -> None:
        """Stop listening, and write what is queued."""
        while self._closers:
            self._closers.pop()()

    def _serve(self, variable: str, app: Any, port: int, threads: int) -> int:
        try:
            server = waitress.server.create_server(
                app,
                host="127.0.0.1",
                port=port,
                threads=threads,
                ident="sightline-console",
                max_request_body_size=MAX_BODY_BYTES,
                connection_limit=500,
                map={},
                clear_untrusted_proxy_headers=True,
            )
        except OSError as error:
            raise PortTakenError(f"{variable}: 127.0.0.1:{port}: {error.strerror}") from error
        thread = threading.Thread(target=server.run, name=variable, daemon=True)
        thread.start()
        self._closers.append(lambda: _stop(server, thread))
        return int(server.effective_port)

    def _sink(self, port: int) -> int:
        try:
            sink = SmtpSink(self.store, port)
        except OSError as error:
            message = f"ORDERS_SMTP_PORT: 127.0.0.1:{port}: {error.strerror}"
            raise PortTakenError(message) from error
        self._closers.append(sink.close)
        return sink.port


def _stop(server: Any, thread: threading.Thread) -> None:
    """Let running requests end, then close the sockets in the thread that owns them."""

    def end() -> None:
        for channel in list(server.active_channels.values()):
            channel.handle_close()
        server.close()

    server.task_dispatcher.shutdown(timeout=1)
    server.trigger.pull_trigger(end)
    thread.join(2)


def _at_mail_page(app: Any) -> Any:
    """Return the same application with the mail page as its start page."""

    def mail(environ: Any, start_response: Any) -> Any:
        if environ.get("PATH_INFO") == "/":
            environ["PATH_INFO"] = "/mails"
        return app(environ, start_response)

    return mail
