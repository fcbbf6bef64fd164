"""The engine `sdk`: OpenTelemetry's provider, batch processors and exporters, with our glue.

The glue is what the SDK lacks: counts, the kept traces of requests that failed or were slow, a
resource that describes the child after a fork, and processors that start with the first item, so
that a main process which emits nothing has no threads and loads no grpc.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

# Underscored while upstream's logs are not stable:
# https://github.com/open-telemetry/opentelemetry-python/issues/4750
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from .._multiprocess.forking import forks_children
from .._tracing.recorded_span import MAX_ATTRIBUTES, MAX_EVENTS
from .._tracing.sampling import Sampler
from .._tracing.sdk_glue import KitSampler, SpanRouter
from ..settings import GRPC
from .failure_log import FailureLog
from .pipeline import Pipeline
from .sdk_exporters import (
    CountedExporter,
    FailureFilter,
    is_exporting_thread,
    load_http_exporters,
    log_exporter,
    span_exporter,
    wait_until_sent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span

    from ..logs.log_line import Line
    from ..settings import TelemetrySettings
    from .counts import ExportCounts
    from .receiver import Receiver


class ProcessResource(Resource):
    """A resource with the attributes of this process, which a fork changes."""

    def __init__(self, make: Callable[[], Resource]) -> None:
        self._make = make
        self._now = make()
        super().__init__(self._now.attributes)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Return the attributes of this process."""
        return self._now.attributes

    def renew(self) -> None:
        """Describe the child process."""
        self._now = self._make()


class _Batches:
    """The two batch processors of one process."""

    def __init__(
        self,
        settings: TelemetrySettings,
        counts: ExportCounts,
        receiver: Receiver,
        is_dropping: Callable[[], bool],
    ) -> None:
        self._receiver = receiver
        queue: Any = {
            "max_queue_size": settings.queue_size,
            "schedule_delay_millis": settings.delay_seconds * 1000,
            "max_export_batch_size": min(settings.batch_size, settings.queue_size),
        }
        rest: Any = {
            "is_dropping": is_dropping,
            "note_silence": receiver.note_silence,
            "capacity": settings.queue_size,
        }
        self.failures = FailureLog(settings.endpoint)
        FailureFilter(self.failures).install()
        self.spans = CountedExporter(
            "traces",
            lambda: span_exporter(settings),
            exported=counts.exported,
            dropped=counts.dropped,
            **rest,
        )
        self.lines = CountedExporter(
            "logs",
            lambda: log_exporter(settings),
            exported=counts.lines_exported,
            dropped=counts.lines_dropped,
            **rest,
        )
        self.span_processor = BatchSpanProcessor(self.spans, **queue)  # type: ignore[arg-type]
        self.line_processor = BatchLogRecordProcessor(self.lines, **queue)  # type: ignore[arg-type]

    def flush(self, timeout_seconds: float) -> bool:
        """Export what is waiting; the SDK's own `force_flush` knows no time limit.

        https://github.com/open-telemetry/opentelemetry-python/issues/4568
        """
        self._call("force_flush")
        return wait_until_sent([self.spans, self.lines], timeout_seconds)

    def shutdown(self, timeout_seconds: float) -> bool:
        """Stop, within the time given; the SDK's own `shutdown` waits for up to 30 s a signal.

        https://github.com/open-telemetry/opentelemetry-python/issues/3309
        """
        self.failures.is_quiet = True
        threads = self._call("shutdown")
        exporters = [self.spans, self.lines]
        in_time = wait_until_sent(exporters, timeout_seconds, self._receiver.hangs)
        for exporter in exporters:
            exporter.give_up()
        for thread in threads if in_time else ():
            thread.join(0.1)
        return in_time

    def forget(self) -> None:
        """Let the threads end that the SDK starts again in a child process.

        Private: without this, each child keeps two threads for the queues of its parent.
        https://github.com/open-telemetry/opentelemetry-python/issues/4215
        """
        for processor in (self.span_processor, self.line_processor):
            processor._batch_processor._shutdown = True

    def _call(self, method: str) -> list[threading.Thread]:
        made = [
            threading.Thread(target=getattr(processor, method), daemon=True)
            for processor in (self.span_processor, self.line_processor)
        ]
        for thread in made:
            thread.start()
        return made


class SdkEngine:
    """OpenTelemetry's engine; see `Engine` in `telemetry` for its arguments and methods."""

    def __init__(
        self,
        settings: TelemetrySettings,
        make_resource: Callable[[], Resource],
        counts: ExportCounts,
        *,
        receiver: Receiver,
        is_dropping: Callable[[], bool],
        on_tick: Callable[[], None],
        sink: Callable[[ReadableSpan], None] | None = None,
    ) -> None:
        self._settings, self._counts = settings, counts
        self._receiver, self._is_dropping = receiver, is_dropping
        self._sink = sink or self._queue
        if settings.protocol != GRPC:
            load_http_exporters()
        # It only ticks: spans and lines have the SDK's threads.
        self._clock = Pipeline(
            settings, _no_sender, signals=(), is_dropping=is_dropping, on_tick=on_tick
        )
        self._resource = ProcessResource(make_resource)
        limits = SpanLimits(max_span_attributes=MAX_ATTRIBUTES, max_events=MAX_EVENTS)
        self.provider = TracerProvider(
            sampler=KitSampler(Sampler(settings)),
            resource=self._resource,
            span_limits=limits,
            shutdown_on_exit=False,
        )
        self._router = SpanRouter(
            self._export if settings.traces_export else self._discard,
            self._count_unsampled,
            settings.slow_seconds,
        )
        self.provider.add_span_processor(self._router)
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._batches: _Batches | None = None
        self._loggers: LoggerProvider | None = None
        self._closed = False

    def run(self) -> None:
        """Start the thread that settles counts and writes log lines, if this process has none."""
        if not self._clock.has_thread:
            self._clock.start()

    def put_line(self, line: Line) -> None:
        """Queue a log line, unless an exporting thread wrote it."""
        if is_exporting_thread() or not self._may_export():
            return
        batches = self._started()
        if batches.lines.expect() and self._loggers is not None:
            self._loggers.get_logger(line.logger).emit(as_record(line))

    def is_exported(self, span: Span) -> bool:
        """Return whether a span that has ended is exported."""
        context = span.get_span_context()
        return bool(context.trace_flags & 1) or self._router.was_kept(context.trace_id)

    def flush(self, timeout_seconds: float) -> bool:
        """Export what is waiting; return whether all of it was exported in time."""
        return self._batches is None or self._batches.flush(timeout_seconds)

    def shutdown(self, timeout_seconds: float) -> bool:
        """Export what is waiting, within the time given, and stop; later items are dropped."""
        if self._closed:
            return True
        self._closed = True
        in_time = self._batches is None or self._batches.shutdown(timeout_seconds)
        self._clock.shutdown(0.2)
        return in_time

    def describe(self) -> None:
        """Describe this process in what is exported from now on."""
        self._resource.renew()

    def after_fork(self) -> None:
        """Describe the child process, and leave what is waiting to the parent."""
        if self._batches is not None:
            self._batches.forget()
        self._resource.renew()
        self._router.forget()
        self._begin()

    def _count_unsampled(self) -> None:
        self._counts.unsampled.increment()
        self.run()

    def _export(self, span: ReadableSpan) -> None:
        self._counts.sampled.increment()
        self._sink(span)

    def _queue(self, span: ReadableSpan) -> None:
        self.run()
        if not self._may_export():
            return
        batches = self._started()
        if batches.spans.expect():
            batches.span_processor.on_end(span)

    def _discard(self, span: ReadableSpan) -> None:  # noqa: ARG002
        """Count a span only: OTEL_TRACES_EXPORTER is not `otlp`."""
        self._count_unsampled()

    def _may_export(self) -> bool:
        """Return False in a main process with gRPC, which must not be loaded before a fork."""
        return not (self._settings.protocol == GRPC and forks_children())

    def _started(self) -> _Batches:
        if self._batches is None:
            with self._lock:
                if self._batches is None:
                    made = _Batches(self._settings, self._counts, self._receiver, self._is_dropping)
                    self._loggers = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
                    self._loggers.add_log_record_processor(made.line_processor)
                    self._batches = made
        return self._batches


def as_record(line: Line) -> LogRecord:
    """Return a line as a record of OpenTelemetry's."""
    number, text = line.severity
    time_ns = int(line.time * 1e9)
    ids = Context() if line.span is None else set_span_in_context(NonRecordingSpan(line.span))
    return LogRecord(
        timestamp=time_ns,
        observed_timestamp=time_ns,
        context=ids,
        severity_text=text,
        severity_number=SeverityNumber(number),
        body=line.body,
        attributes={key: _plain(value) for key, value in line.attributes.items()},
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def _no_sender() -> Any:
    raise AssertionError("a clock sends nothing")
