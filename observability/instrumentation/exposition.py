"""Serve the metrics of a main process and its children at one port."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
)

from ._multiprocess.collector import family_collector
from ._multiprocess.liveness import claim, mark_alive
from ._multiprocess.memory import MemoryCollector
from .dependencies.scrape import AppMetrics, Scrape
from .environment import TrustedHosts
from .settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .metrics import Collector
    from .settings import TelemetrySettings

_logger = logging.getLogger(__name__)

_TIDY_SECONDS = 2.0
# A scrape must end well before the scraper's timeout: a late one loses the series of all
# collectors, and `up` is then 0 for a process that only waits for a dependency.
SCRAPE_SECONDS = 2.5
FOLDER_MISSING = "PROMETHEUS_MULTIPROC_DIR: expected a private folder, set before Python starts"
MOST_CONNECTIONS = 32
# For a client's next bytes, and for the whole of a connection.
CLIENT_SECONDS = 5.0
CONNECTION_SECONDS = 30.0
# Scrapes come from another container.
ANY_HOST = "0.0.0.0"


def claim_directory(settings: TelemetrySettings) -> None:
    """Reserve and empty PROMETHEUS_MULTIPROC_DIR, in the main process, before any metric exists.

    Raises:
        SettingsError: when it is unset, cannot be written, or is reserved by a live process.
    """
    if settings.multiproc_dir is None:
        raise SettingsError([FOLDER_MISSING])
    claim(settings.multiproc_dir)


def make_registry(
    settings: TelemetrySettings,
    collectors: Iterable[Collector] = (),
    *,
    own: CollectorRegistry | None = None,
) -> CollectorRegistry:
    """Return a registry of everything that a scrape returns, the memory in use included.

    Args:
        settings: With the folder that the processes share, if there are several.
        collectors: Read at each scrape, in this process, all at once. The series of one that fails,
            or has not ended after SCRAPE_SECONDS, are missing from the scrape, which counts it in
            `telemetry_scrape_failures_total`.
        own: The instruments of this process; needed only without a shared folder.
    """
    registry = CollectorRegistry(auto_describe=False)
    registered: list[Collector] = []
    if settings.multiproc_dir is not None:
        mark_alive(settings.multiproc_dir)
        registered.append(family_collector(settings.multiproc_dir))
    elif own is not None:
        registered.append(own)
        # The app's own collectors may ask other programs.
        collectors = (AppMetrics(), *collectors)
    registry.register(Scrape(registered, (MemoryCollector(), *collectors), SCRAPE_SECONDS))
    return registry


class _Handler(WSGIRequestHandler):
    """A handler that logs no requests, and waits for a client's next bytes for a short time."""

    timeout = CLIENT_SECONDS

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingMixIn, WSGIServer):
    """A thread per connection, but few connections: idle and slow ones make room for new ones."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], family: int) -> None:
        self.address_family = family
        # In the order in which they were opened, with the time of it.
        self._open: dict[Any, float] = {}
        self._changing = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changing:
            self._open[request] = time.monotonic()
            if len(self._open) > MOST_CONNECTIONS:
                self._end(next(iter(self._open)))
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End the connections that have been open for too long; called twice a second."""
        oldest = time.monotonic() - CONNECTION_SECONDS
        with self._changing:
            for request in [one for one, opened in self._open.items() if opened < oldest]:
                self._end(request)

    def shutdown_request(self, request: Any) -> None:
        with self._changing:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log an error of our own; a client that went away, or was too slow, is none."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            _logger.error("the metrics port failed", exc_info=problem)

    def _end(self, request: Any) -> None:
        # Its own thread closes it, once its read or write has failed.
        del self._open[request]
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


def serve_registry(
    registry: CollectorRegistry,
    port: int,
    host: str = ANY_HOST,
    trusted_hosts: TrustedHosts | None = None,
) -> tuple[WSGIServer, threading.Thread]:
    """Serve a registry in a thread, over HTTP on any path; 0 takes a free port.

    Requests for other public hosts than the trusted ones, and those of web pages, are refused.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    try:
        server = _Server((str(address[0]), port), family)
    except OSError as error:
        raise OSError(error.errno, f"metrics port {host}:{port}: {error.strerror}") from error
    app = prometheus_client.make_wsgi_app(registry)
    server.set_app((trusted_hosts or TrustedHosts()).guard(app))
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return server, thread


class MetricsServer:
    """A running HTTP server; it negotiates OpenMetrics, the only format with exemplars."""

    def __init__(self, server: WSGIServer, thread: threading.Thread, folder: Path | None) -> None:
        self._server = server
        self._thread = thread
        self.port: int = server.server_port
        self._closing = threading.Event()
        if folder is not None:
            tidy = threading.Thread(target=self._tidy, args=(folder,), daemon=True)
            tidy.start()

    def _tidy(self, folder: Path) -> None:
        # Without scrapes, nothing else deletes the files of recycled processes.
        while not self._closing.wait(_TIDY_SECONDS):
            with suppress(OSError, RuntimeError):
                family_collector(folder).fold_dead()

    def close(self) -> None:
        """Stop serving."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def start_metrics_server(
    settings: TelemetrySettings,
    port: int,
    collectors: Iterable[Collector] = (),
    *,
    own: CollectorRegistry | None = None,
    host: str = ANY_HOST,
    trusted_hosts: TrustedHosts | None = None,
) -> MetricsServer:
    """Serve `/metrics` in a thread of this process.

    Args:
        settings: With the folder that the processes share, if there are several.
        port: To listen on; 0 takes a free one.
        collectors: Read at each scrape, in this process.
        own: The instruments of this process; needed only without a shared folder.
        host: Address to listen on.
        trusted_hosts: Public names under which it may be scraped.
    """
    registry = make_registry(settings, collectors, own=own)
    server, thread = serve_registry(registry, port, host, trusted_hosts)
    return MetricsServer(server, thread, settings.multiproc_dir)
