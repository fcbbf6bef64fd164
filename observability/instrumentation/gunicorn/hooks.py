"""Hooks for a gunicorn configuration: the master serves the metrics, each process flushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_flask_exporter.multiprocess import GunicornPrometheusMetrics

from .._multiprocess.collector import family_collector
from .._multiprocess.forking import begin_again, note_main_process
from .._multiprocess.liveness import mark_alive
from ..exposition import ANY_HOST, claim_directory, make_registry, serve_registry
from ..logs import capture_warnings_and_errors
from ..telemetry import shutdown_telemetry
from .master_lines import NewWorkerLines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import CollectorRegistry

    from ..environment import TrustedHosts
    from ..metrics import Collector
    from ..settings import TelemetrySettings
    from ..telemetry import Telemetry


class FamilyPrometheusMetrics(GunicornPrometheusMetrics):  # type: ignore[misc]
    """prometheus-flask-exporter's server for gunicorn, with a registry of this kit.

    The registry has exemplars and no gauges of dead processes. The exporter's default metrics are
    off; its decorators work in views as usual.
    """

    def __init__(
        self, registry: CollectorRegistry, trusted_hosts: TrustedHosts | None = None
    ) -> None:
        super().__init__(export_defaults=False)
        self._trusted_hosts = trusted_hosts
        # The constructor takes a registry, and then registers a multiprocess collector in it.
        # https://github.com/rycus86/prometheus_flask_exporter/pull/76
        self.registry = registry

    def start_http_server(self, port: int, host: str = ANY_HOST, **_: Any) -> None:
        """Serve the registry from the main process, with few connections at once."""
        if self.should_start_http_server():
            serve_registry(self.registry, port, host, self._trusted_hosts)


class GunicornHooks:
    """The hooks of one gunicorn; create them in `gunicorn_conf.py`, before any worker exists.

    Creating them reserves and empties PROMETHEUS_MULTIPROC_DIR, once per process: with `--preload`
    the app creates metrics before the first hook runs, and a reload reads the configuration again.

    Args:
        settings: Settings of the process; without a metrics folder gunicorn does not start.
        metrics_port: Where the master serves `/metrics`.
        metrics_host: Address to listen on.
        trusted_hosts: Public names under which it may be scraped.
        collectors: Called in the master when it is ready; read at each scrape.
        start: Starts telemetry in the master, so that its own lines, about a worker that hung for
            example, are exported too. Not called with gRPC, which must not be loaded before a
            fork: https://github.com/grpc/grpc/issues/15334
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        *,
        metrics_port: int,
        metrics_host: str = ANY_HOST,
        trusted_hosts: TrustedHosts | None = None,
        collectors: Callable[[], Iterable[Collector]] = tuple,
        start: Callable[[], Telemetry] | None = None,
    ) -> None:
        self.settings = settings
        self._metrics_port, self._metrics_host = metrics_port, metrics_host
        self._trusted_hosts = trusted_hosts
        self._collectors = collectors
        self._start = start
        self._new_worker_lines = NewWorkerLines()
        note_main_process()
        claim_directory(settings)

    def when_ready(self, server: Any) -> None:
        """Serve the metrics from the master."""
        capture_warnings_and_errors()
        if self._start is not None and self.settings.protocol != "grpc":
            self._start()
        registry = make_registry(self.settings, self._collectors())
        metrics = FamilyPrometheusMetrics(registry, self._trusted_hosts)
        metrics.start_http_server(self._metrics_port, self._metrics_host)
        server.log.info("metrics on port %d", self._metrics_port)

    def post_fork(self, server: Any, worker: Any) -> None:  # noqa: ARG002
        """Mark the worker alive before it writes its first metric."""
        if type(worker).__module__ == "gunicorn.workers.ggevent":
            # The worker does this a little later. What was made with the locks and threads of the
            # master would block all of its requests.
            from gevent import monkey  # noqa: PLC0415 - loaded already

            monkey.patch_all()
            begin_again()
        self._new_worker_lines.release()
        if self.settings.multiproc_dir is not None:
            mark_alive(self.settings.multiproc_dir)

    def worker_exit(self, server: Any, worker: Any) -> None:  # noqa: ARG002
        """Flush the worker's remaining telemetry."""
        shutdown_telemetry()

    def child_exit(self, server: Any, worker: Any) -> None:  # noqa: ARG002
        """Add the dead worker's metrics to the archive, with or without scrapes."""
        if self.settings.multiproc_dir is not None:
            family_collector(self.settings.multiproc_dir).fold_dead()

    def on_exit(self, server: Any) -> None:  # noqa: ARG002
        """Flush the master's remaining telemetry."""
        shutdown_telemetry()
