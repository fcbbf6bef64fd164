"""The telemetry of a process, started once: spans, metrics and exported log lines."""

from __future__ import annotations

import atexit
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as trace_api

from . import semconv
from ._export import otlp
from ._export.pending import PendingCount
from ._export.pipeline import Pipeline
from ._export.resource import make_resource
from ._export.signal_queue import Sender, Signal
from ._export.transport import HttpTransport, Outcome
from ._multiprocess.forking import call_in_children
from ._multiprocess.liveness import mark_alive
from ._tracing.sampling import Sampler
from ._tracing.tracer import RecordingTracerProvider
from .logs import JsonHandler, flush_lines
from .metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import Tracer

    from ._tracing.recorded_span import RecordedSpan
    from .logs.log_line import Line
    from .settings import TelemetrySettings

_logger = logging.getLogger(__name__)
SCOPE = "observability.instrumentation"

_start_lock = threading.Lock()
_started: list[Telemetry] = []


class EncodedSender:
    """A sender of spans and log lines that are already encoded."""

    def __init__(
        self, settings: TelemetrySettings, resource: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._transport = HttpTransport(settings)
        self._resource = resource
        self.close = self._transport.close
        self.forget = self._transport.forget

    def send(self, signal: str, items: list[Any], timeout: float | None) -> tuple[Outcome, int]:
        """Send a batch; return the outcome and how many items were refused."""
        return self._transport.post(signal, otlp.request(self._resource(), items), timeout)


def start_telemetry(
    settings: TelemetrySettings,
    *,
    service_name: str,
    service_namespace: str = "",
    service_version: str = "",
    is_dropping: Callable[[], bool] | None = None,
) -> Telemetry:
    """Start telemetry, or return what this process or its parent has started before.

    Safe in a process that forks: a thread starts with the first item, in each child again.

    Args:
        settings: What to export, and where.
        service_name: Overridden by OTEL_SERVICE_NAME.
        service_namespace: The system that the service belongs to.
        service_version: The version of the program.
        is_dropping: Called before each export; while it returns true, batches are dropped and
            counted.
    """
    with _start_lock:
        if not _started:
            identity = {
                semconv.ATTR_SERVICE_NAME: service_name,
                semconv.ATTR_SERVICE_NAMESPACE: service_namespace,
                semconv.ATTR_SERVICE_VERSION: service_version,
            }
            telemetry = Telemetry(settings, identity, is_dropping=is_dropping)
            telemetry.install()
            _started.append(telemetry)
        return _started[0]


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
    ) -> None:
        self.settings = settings
        self._identity = identity
        if settings.multiproc_dir is not None:
            mark_alive(settings.multiproc_dir)
        self.metrics = Metrics(settings.multiproc_dir)
        self._make_counters()
        self.pipeline = Pipeline(
            settings,
            self._make_sender,
            signals=(self._spans, self._logs),
            is_dropping=is_dropping or (lambda: False),
            on_tick=self.settle,
        )
        self._scopes: dict[str, bytes] = {}
        self._encodes = settings.exporter == "lean" and settings.protocol != "grpc"
        self._exports_logs = settings.logs_export and not settings.sdk_disabled
        self.provider = RecordingTracerProvider(
            make_resource(settings, identity),
            Sampler(settings),
            sink=self._export_span if settings.traces_export else self._discard,
            count_unsampled=self._count_unsampled,
            slow_seconds=settings.slow_seconds,
        )
        self.tracer: Tracer = self._own_tracer()
        call_in_children(self)

    def _make_counters(self) -> None:
        counter = self.metrics.counter
        ended = counter(semconv.TELEMETRY_SPANS_ENDED)
        self._ended = PendingCount(ended.labels("true").inc)
        self._unsampled = PendingCount(ended.labels("false").inc)
        self._dropped = counter(semconv.TELEMETRY_SPANS_DROPPED)
        self._dropped.zero([(reason,) for reason in semconv.DROP_REASONS])
        self._lines = PendingCount(counter(semconv.TELEMETRY_LOG_LINES).labels().inc)
        self._spans = Signal(
            "traces",
            self.settings.queue_size,
            exported=counter(semconv.TELEMETRY_SPANS_EXPORTED).labels().inc,
            dropped=lambda reason, count: self._dropped.labels(reason).inc(count),
        )
        self._logs = Signal(
            "logs",
            self.settings.queue_size,
            exported=counter(semconv.TELEMETRY_LOG_LINES_EXPORTED).labels().inc,
            dropped=lambda _reason, _count: None,
        )

    def _own_tracer(self) -> Tracer:
        if self.settings.sdk_disabled:
            return trace_api.NoOpTracer()
        return self.provider.get_tracer(SCOPE)

    def install(self) -> None:
        """Register the tracer provider of this process, and receive its log lines."""
        JsonHandler.sink = self
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
            self.tracer = known.get_tracer(SCOPE)
            _logger.info("another tracer provider is registered: its exporter is used")
        _logger.info("traces and logs go to %s", self.settings.endpoint)

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Export what is waiting; return whether all of it was exported in time."""
        return self.pipeline.flush(timeout_seconds)

    def shutdown(self, timeout_seconds: float = 4.5) -> None:
        """Export what is waiting, within the time given, and stop; later items are dropped."""
        self.pipeline.shutdown(timeout_seconds)

    def after_fork(self) -> None:
        """Adopt the identity of the child process, and mark it alive."""
        self.provider.resource = make_resource(self.settings, self._identity)
        if self.settings.multiproc_dir is not None:
            with suppress(OSError):
                mark_alive(self.settings.multiproc_dir)

    def written(self, line: Line) -> None:
        """Count a log line, and queue it unless the exporting thread wrote it."""
        self._lines.increment()
        if not self.pipeline.has_thread:
            self.pipeline.start()
        if not self._exports_logs or threading.get_ident() == self.pipeline.thread_ident:
            return
        if not self._encodes:
            self.pipeline.put(self._logs, line)
            return
        scope = self._scopes.get(line.logger)
        if scope is None:
            scope = self._scopes[line.logger] = otlp.scope(line.logger)
        self.pipeline.put(self._logs, (scope, otlp.encode_log(line)))

    def settle(self) -> None:
        """Write waiting log lines and add pending counts to their counters."""
        flush_lines()
        for pending in (self._ended, self._unsampled, self._lines):
            pending.settle()

    def _count_unsampled(self) -> None:
        self._unsampled.increment()
        if not self.pipeline.has_thread:
            self.pipeline.start()

    def _export_span(self, span: RecordedSpan) -> None:
        self._ended.increment()
        if not self._encodes:
            self.pipeline.put(self._spans, span)
            return
        scope = span.tracer.encoded_scope
        if scope is None:
            name, version = span.tracer.scope.name, span.tracer.scope.version
            scope = span.tracer.encoded_scope = otlp.scope(name, version or "")
        self.pipeline.put(self._spans, (scope, otlp.encode_span(span)))

    def _discard(self, span: RecordedSpan) -> None:  # noqa: ARG002
        """Count a span only: OTEL_TRACES_EXPORTER is not `otlp`."""
        self._count_unsampled()

    def _make_sender(self) -> Sender:
        if self._encodes:
            return EncodedSender(self.settings, lambda: self.provider.resource.attributes)
        from ._export.contrib_exporter import ContribSender  # noqa: PLC0415 - loads grpc

        return ContribSender(self.settings, lambda: self.provider.resource)
