"""The telemetry of a process, started once: spans, metrics and exported log lines."""

from __future__ import annotations

import atexit
import logging
import threading
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace as trace_api

from . import semconv
from ._export.counts import ExportCounts
from ._export.lean_engine import LeanEngine
from ._export.receiver import Receiver
from ._export.resource import make_resource
from ._multiprocess.forking import call_in_children
from ._multiprocess.liveness import mark_alive, release
from .logs import JsonHandler, WaitingLines, flush_lines
from .metrics import Metrics
from .settings import SDK, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from .logs.handler import LineSink
    from .logs.log_line import Line
    from .settings import TelemetrySettings

_logger = logging.getLogger(__name__)
SCOPE = "observability.instrumentation"

# A child and then its main process wait for their last exports: both together less than 5 s.
SHUTDOWN_SECONDS = 2.25

_start_lock = threading.Lock()
_started: list[Telemetry] = []
_is_role: ContextVar[bool] = ContextVar("is_role", default=False)


class Engine(Protocol):
    """An object that makes the spans of this process, and exports them with its log lines.

    Its class takes the settings, a function that returns the resource of the process, the counters
    and, as keywords: `receiver`, its state; `is_dropping`, called before each export; `on_tick`,
    called a few times per second by a thread of the engine; and `sink`, which takes the ended spans
    in place of a queue.
    """

    @property
    def provider(self) -> TracerProvider:
        """Return the provider of tracers."""

    def run(self) -> None:
        """Start the engine's thread, if this process has none."""

    def put_line(self, line: Line) -> None:
        """Queue a log line, unless an exporting thread wrote it."""

    def is_exported(self, span: Span) -> bool:
        """Return whether a span that has ended is exported."""

    def flush(self, timeout_seconds: float) -> bool:
        """Export what is waiting; return whether all of it was exported in time."""

    def shutdown(self, timeout_seconds: float) -> bool:
        """Export what is waiting, within the time given, and stop; return whether all of it was.

        Ends sooner once the receiver is known to hang. A second call does nothing.
        """

    def describe(self) -> None:
        """Describe this process in what is exported from now on."""

    def after_fork(self) -> None:
        """Describe the child process."""


def start_telemetry(
    settings: TelemetrySettings,
    *,
    service_name: str,
    service_namespace: str = "",
    service_version: str = "",
    is_dropping: Callable[[], bool] | None = None,
) -> Telemetry:
    """Start telemetry, or return what this process or its parent has started before.

    Safe in a process that forks: a thread starts with the first item, in each child again. A
    process has one name. In a Celery worker that is the worker's, whatever else is started in it.

    Args:
        settings: What to export, and where.
        service_name: Overridden by OTEL_SERVICE_NAME.
        service_namespace: The system that the service belongs to.
        service_version: The version of the program.
        is_dropping: Called before each export; while it returns true, batches are dropped and
            counted.

    Raises:
        ValueError: The process has been started under another name.
    """
    identity = {
        semconv.ATTR_SERVICE_NAME: service_name,
        semconv.ATTR_SERVICE_NAMESPACE: service_namespace,
        semconv.ATTR_SERVICE_VERSION: service_version,
    }
    with _start_lock:
        if not _started:
            telemetry = Telemetry(settings, identity, is_dropping=is_dropping)
            telemetry.install()
            _started.append(telemetry)
        elif _is_role.get() or _started[0].is_provisional:
            _started[0].is_provisional = False
            _started[0].take_role(settings, identity)
        else:
            _started[0].check_name(service_name)
        _started[0].receive_lines()
        return _started[0]


def running_telemetry() -> Telemetry | None:
    """Return what `start_telemetry` has started in this process or its parent, if anything."""
    return _started[0] if _started else None


def is_starting() -> bool:
    """Return whether a thread of this process is in `start_telemetry`."""
    return _start_lock.locked()


def start_provisionally(start: Callable[[], Telemetry]) -> Telemetry:
    """Call a function that starts telemetry, unless this process has one.

    For a process that sends a task before its own entry has named it: that name replaces this one.
    """
    telemetry = running_telemetry()
    if telemetry is None:
        telemetry = start()
        telemetry.is_provisional = True
    return telemetry


def start_role(start: Callable[[], Telemetry]) -> Telemetry:
    """Call a function that starts telemetry under the name of this process's role.

    For the main process of a Celery worker, in which a web app may have been created before: the
    name given by `start` replaces the app's, and later names are ignored.
    """
    token = _is_role.set(True)
    try:
        telemetry = start()
    finally:
        _is_role.reset(token)
    telemetry.has_role = True
    return telemetry


def shutdown_telemetry() -> None:
    """Flush and stop what `start_telemetry` has started, for hooks that run in place of atexit."""
    if _started:
        _started[0].shutdown()


class Telemetry:
    """The tracer, the instruments and the exporting thread of this process."""

    def __init__(
        self,
        settings: TelemetrySettings,
        identity: dict[str, str],
        *,
        is_dropping: Callable[[], bool] | None = None,
        sink: Callable[[ReadableSpan], None] | None = None,
    ) -> None:
        self.settings = settings
        self.has_role = False
        self.is_provisional = False
        self._identity = identity
        if settings.multiproc_dir is not None:
            mark_alive(settings.multiproc_dir)
        self.metrics = Metrics(settings.multiproc_dir)
        self._receiver = Receiver(settings.multiproc_dir)
        self._counts = ExportCounts(self.metrics, self._receiver)
        self._exports_logs = settings.logs_export and not settings.sdk_disabled
        self.engine: Engine = _engine_class(settings)(
            settings,
            lambda: make_resource(self.settings, self._identity),
            self._counts,
            receiver=self._receiver,
            is_dropping=is_dropping or (lambda: False),
            on_tick=self.settle,
            sink=sink,
        )
        self.provider = self.engine.provider
        self.tracer: Tracer = self._own_tracer()
        call_in_children(self)

    def _own_tracer(self) -> Tracer:
        if self.settings.sdk_disabled:
            return trace_api.NoOpTracer()
        return self.provider.get_tracer(SCOPE)

    def install(self) -> None:
        """Register the tracer provider of this process, and receive its log lines."""
        before, JsonHandler.sink = JsonHandler.sink, self
        self._take_over(before)
        atexit.register(self.shutdown)
        for warning in self.settings.warnings:
            _logger.warning("%s", warning)
        if self.settings.sdk_disabled:
            return
        known = trace_api.get_tracer_provider()
        if isinstance(known, trace_api.ProxyTracerProvider):
            trace_api.set_tracer_provider(self.provider)
        else:
            # From opentelemetry-instrument, for example; it has an exporter of its own.
            self.provider = known
            self.tracer = known.get_tracer(SCOPE)
            _logger.info("another tracer provider is registered: its exporter is used")
        _logger.info("traces and logs go to %s", self.settings.endpoint)

    def receive_lines(self) -> None:
        """Receive the log lines of this process, if they were kept until now."""
        if isinstance(JsonHandler.sink, WaitingLines):
            before, JsonHandler.sink = JsonHandler.sink, self
            self._take_over(before)

    def _take_over(self, before: LineSink | None) -> None:
        if isinstance(before, WaitingLines):
            for line in before.take():
                self.written(line)

    @property
    def service_name(self) -> str:
        """The name of this process in every signal."""
        own = self._identity.get(semconv.ATTR_SERVICE_NAME, "")
        return self.settings.resource.get(semconv.ATTR_SERVICE_NAME, own)

    def check_name(self, name: str) -> None:
        """Raise ValueError unless this process may be started under this name too."""
        # OTEL_SERVICE_NAME overrides every name.
        own = self._identity[semconv.ATTR_SERVICE_NAME]
        if self.has_role or name == own or semconv.ATTR_SERVICE_NAME in self.settings.resource:
            return
        raise ValueError(
            f"telemetry of this process was started as {own!r}, and now as {name!r}: "
            "use one name per process"
        )

    def take_role(self, settings: TelemetrySettings, identity: dict[str, str]) -> None:
        """Take the name of this process's role or entry, and a metrics folder if it had none."""
        if settings.multiproc_dir is not None and self.settings.multiproc_dir is None:
            self.share_metrics(settings.multiproc_dir)
        self._identity = identity
        self.engine.describe()

    def share_metrics(self, folder: Path) -> None:
        """Keep the metrics of this process in a folder from now on, before it forks."""
        self.settings = replace(self.settings, multiproc_dir=folder)
        mark_alive(folder)
        self.metrics.share(folder)
        self._receiver.share(folder)

    def reopen_metrics(self) -> None:
        """Lock and open the files of this process again, after it has closed all descriptors.

        Without the lock its files may be taken for those of a dead process, and deleted.
        """
        folder = self.settings.multiproc_dir
        if folder is not None:
            release(folder)
            mark_alive(folder)
            self.metrics.reopen()

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Export what is waiting; return whether all of it was exported in time."""
        return self.engine.flush(timeout_seconds)

    def shutdown(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> None:
        """Export what is waiting, within the time given, and stop; later items are dropped.

        The processes of one program know of each other that the receiver hangs; then they do not
        wait.
        """
        if not self.engine.shutdown(timeout_seconds):
            self._receiver.note_silence()

    def after_fork(self) -> None:
        """Adopt the identity of the child process, and mark it alive."""
        self.engine.after_fork()
        if self.settings.multiproc_dir is not None:
            with suppress(SettingsError):
                mark_alive(self.settings.multiproc_dir)

    def written(self, line: Line) -> None:
        """Count a log line, and queue it unless the exporting thread wrote it."""
        self._counts.lines.increment()
        self.engine.run()
        if self._exports_logs:
            self.engine.put_line(line)

    def settle(self) -> None:
        """Write waiting log lines and add pending counts to their counters."""
        flush_lines()
        self._counts.settle()


def _engine_class(settings: TelemetrySettings) -> Callable[..., Engine]:
    if settings.engine != SDK:
        return LeanEngine
    from ._export.sdk_engine import SdkEngine  # noqa: PLC0415 - loads much of the SDK

    return SdkEngine
