"""The main process of a worker: it owns the metrics folder and serves it; its children record."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import celery.app.base
import celery.apps.worker
from billiard import get_start_method
from billiard.util import get_logger
from celery.utils.log import mlevel

from .. import semconv
from .._entry.folder import make_private_folder
from .._entry.ports import PORT_VARIABLE
from .._entry.process import stop_serving
from .._multiprocess.forking import note_main_process
from ..exposition import FOLDER_MISSING, claim_directory, start_metrics_server
from ..logs import configure_console, log_from_signal_handler, log_prints, log_to_file
from ..metrics import Metrics, family
from ..settings import SettingsError
from ..telemetry import running_telemetry, shutdown_telemetry, start_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from celery import Celery
    from prometheus_client.metrics_core import Metric as Family

    from ..environment import TrustedHosts
    from ..exposition import MetricsServer
    from ..metrics import Collector
    from ..settings import TelemetrySettings
    from ..telemetry import Telemetry
    from .attempts import AttemptRecorder
    from .outcomes import Outcomes
    from .worker_requests import MessageRecorder

_logger = logging.getLogger(__name__)
_EXIT_CODE = 2
# Celery's name for them.
_PRINTS = "celery.redirected"


class MainProcess:
    """The receiver of Celery's signals about a worker and its processes."""

    def __init__(
        self,
        app: Celery,
        *,
        makes_folder: bool,
        instrument: Callable[[Telemetry], None],
        start: Callable[[], Telemetry],
        settings: TelemetrySettings | Callable[[], TelemetrySettings],
        recorder: AttemptRecorder,
        messages: MessageRecorder,
        outcomes: Outcomes,
        metrics_port: int | None,
        metrics_host: str,
        trusted_hosts: TrustedHosts | None,
        collectors: Callable[[], Iterable[Collector]],
        on_process_start: Callable[[Telemetry], None] | None,
    ) -> None:
        self._app = app
        self._makes_folder = makes_folder
        self._instrument = instrument
        self._start = start
        self._given_settings = settings
        self._recorder = recorder
        self._messages = messages
        self._outcomes = outcomes
        self._metrics_port, self._metrics_host = metrics_port, metrics_host
        self._trusted_hosts = trusted_hosts
        self._collectors = collectors
        self._on_process_start = on_process_start
        self._children = ChildrenCollector()
        self._server: MetricsServer | None = None
        self._prepared = False
        self._is_running = False

    def _settings(self) -> TelemetrySettings:
        if callable(self._given_settings):
            self._given_settings = self._given_settings()
        return self._given_settings

    def on_program_start(self, instance: Any = None, **_: Any) -> None:
        """Log JSON from the first line on, and leave out the banner, which is plain text."""
        if not self._is_ours(instance):
            return
        configure_console(self._settings())
        # Signal handlers print plain text through it: https://github.com/celery/celery/issues/8101
        celery.apps.worker.safe_say = log_from_signal_handler
        if instance is not None:
            # Only the command line can set it: https://github.com/celery/celery/issues/3496
            instance.quiet = True

    def on_setup_logging(self, logfile: str | None = None, **_: Any) -> None:
        """Configure the root logger in place of Celery, which leaves it alone after this signal."""
        configure_console(self._settings())
        if logfile:
            log_to_file(Path(logfile))

    def on_init(self, sender: Any = None, **_: Any) -> None:
        """Serve the metrics, or exit with code 2; a worker inside another program works on."""
        if not self._is_ours(sender):
            return
        # Raised as SystemExit: Celery logs a receiver's exception and carries on without metrics.
        # https://github.com/celery/celery/issues/2738
        try:
            self._begin(sender)
        except (SettingsError, OSError) as error:
            # Not a program of its own: one that `celery.contrib.testing` runs in a thread.
            if not isinstance(sender, celery.apps.worker.Worker):
                text = "the metrics of this worker are not served on port %s, set %s: %s"
                _logger.error(text, self._metrics_port, PORT_VARIABLE, error)  # noqa: TRY400
                if not _forks(sender):
                    self._begin_tasks()
                return
            text = "the worker does not start without its metrics on port %s: %s"
            _logger.critical(text, self._metrics_port, error)
            raise SystemExit(_EXIT_CODE) from error
        if getattr(sender, "redirect_stdouts", False):
            # Celery leaves this out where a program configures logging itself, and otherwise logs
            # each argument of a print as a line of its own.
            log_prints(logging.getLogger(_PRINTS), mlevel(sender.redirect_stdouts_level))

    def _is_ours(self, controller: Any) -> bool:
        """Return whether a worker runs this app, and not another one in the same process."""
        return getattr(controller, "app", self._app) is self._app

    def _begin(self, sender: Any) -> None:
        """Empty the metrics folder, start telemetry and serve the metrics, before any fork."""
        stop_serving()
        settings = self._settings()
        if settings.multiproc_dir is None and _forks(sender) and self._metrics_port is not None:
            if not self._makes_folder:
                raise SettingsError([FOLDER_MISSING])
            settings = replace(settings, multiproc_dir=make_private_folder())
            self._given_settings = settings
            _logger.info(
                "metrics folder %s, as PROMETHEUS_MULTIPROC_DIR is not set", settings.multiproc_dir
            )
        self._is_running = True
        self._messages.extend_requests()
        if _forks(sender):
            note_main_process()
        if settings.multiproc_dir is not None:
            claim_directory(settings)
        if settings.protocol == "grpc" and _forks(sender):
            # gRPC must not be loaded before a fork, so the main process has no telemetry and its
            # lines are not exported: https://github.com/grpc/grpc/issues/15334
            own = None
            self._outcomes.prepare(Metrics(settings.multiproc_dir))
        else:
            telemetry = start_role(self._start)
            self._recorder.prepare()
            own = telemetry.metrics.registry
        if self._metrics_port is not None:
            collectors = [self._children, *self._collectors()]
            self._server = start_metrics_server(
                settings,
                self._metrics_port,
                collectors,
                own=own,
                host=self._metrics_host,
                trusted_hosts=self._trusted_hosts,
            )
            _logger.info("metrics on port %d", self._server.port)
        if not _forks(sender):
            self._begin_tasks()

    def on_before_child(self, **_: Any) -> None:
        """Let the pool's log records reach the root logger, which writes JSON.

        billiard's logger has no handler, and `get_logger` stops it from propagating, as
        multiprocessing's does. Source: https://github.com/celery/billiard/issues/212, since when
        the pool calls `get_logger`.
        """
        get_logger().propagate = True

    def on_child_start(self, **_: Any) -> None:
        """Start telemetry in a child process; the solo pool sends this signal as well."""
        # The second in a child that was not forked, and has imported the app again.
        if self._is_running or celery.app.base.USING_EXECV:
            self._begin_tasks()

    def on_beat_start(self, sender: Any = None, **_: Any) -> None:
        """Start telemetry in beat, so that its lines are exported and its messages traced."""
        if self._is_ours(sender):
            self._instrument(start_role(self._start))

    def on_embedded_beat_start(self, **_: Any) -> None:
        """Open files and locks again in the process of `worker -B`, which has closed them all."""
        telemetry = running_telemetry()
        if telemetry is not None:
            telemetry.reopen_metrics()

    def _begin_tasks(self) -> None:
        telemetry = start_role(self._start)
        self._recorder.prepare()
        self._instrument(telemetry)
        if self._on_process_start is not None and not self._prepared:
            self._prepared = True
            self._on_process_start(telemetry)

    def on_child_stop(self, **_: Any) -> None:
        """Flush a child's remaining telemetry; billiard ends it without calling atexit."""
        shutdown_telemetry()

    def on_ready(self, sender: Any = None, **_: Any) -> None:
        """Keep the worker's controller, to count the processes of its pool."""
        if not self._is_running:
            return
        self._children.controller = controller = getattr(sender, "controller", None)
        if _forks(controller):
            self._outcomes.shares_memory = get_start_method() == "fork"
        self._messages.watch(sender)

    def on_stop(self, **_: Any) -> None:
        """Close the metrics server and flush the main process's remaining telemetry."""
        if self._server is not None:
            self._server.close()
            self._server = None
        shutdown_telemetry()


def _forks(controller: Any) -> bool:
    pool = getattr(controller, "pool_cls", None)
    name = pool if isinstance(pool, str) else getattr(pool, "__module__", "")
    return "prefork" in name or "processes" in name


def _runs(pid: int | None) -> bool:
    # `process.is_alive()` would reap the child in this thread, before the pool does.
    try:
        os.kill(pid or 0, 0)
    except OSError:
        return False
    return True


class ChildrenCollector:
    """The processes of the pool that are alive, by whether they run a task."""

    controller: Any = None

    def describe(self) -> list[Family]:
        """Return the family without values."""
        return [family(semconv.CELERY_WORKER_CHILDREN, {})]

    def collect(self) -> Iterator[Family]:
        """Yield busy and idle children."""
        alive, busy = self._count()
        counts: dict[tuple[str, ...], float] = {
            ("busy",): min(busy, alive),
            ("idle",): max(0, alive - busy),
        }
        yield family(semconv.CELERY_WORKER_CHILDREN, counts)

    def _count(self) -> tuple[int, int]:
        from celery.worker import state  # noqa: PLC0415 - only a worker needs it

        pool = getattr(self.controller, "pool", None)
        if pool is None:
            return 0, 0
        # billiard's list of processes: Celery reports them through remote control only, which asks
        # over the broker. https://docs.celeryq.dev/en/stable/userguide/workers.html#statistics
        processes = getattr(getattr(pool, "_pool", None), "_pool", None)
        if isinstance(processes, list):
            alive = sum(1 for process in list(processes) if _runs(process.pid))
        else:
            alive = int(pool.num_processes or 1)
        return alive, len(state.active_requests)
