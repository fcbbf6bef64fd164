"""The engine `lean`: our spans, encoded when they end, and one thread that exports them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .._tracing.recorded_span import RecordedSpan
from .._tracing.sampling import Sampler
from .._tracing.tracer import RecordingTracerProvider
from . import otlp
from .pipeline import Pipeline
from .signal_queue import Signal
from .transport import HttpTransport, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span

    from ..logs.log_line import Line
    from ..settings import TelemetrySettings
    from .counts import ExportCounts
    from .receiver import Receiver


class EncodedSender:
    """A sender of spans and log lines that are already encoded."""

    def __init__(
        self,
        settings: TelemetrySettings,
        resource: Callable[[], Mapping[str, Any]],
        receiver: Receiver,
    ) -> None:
        self._transport = HttpTransport(settings, receiver.note_silence)
        self._resource = resource
        self.close = self._transport.close
        self.forget = self._transport.forget

    def send(self, signal: str, items: list[Any], timeout: float | None) -> tuple[Outcome, int]:
        """Send a batch; return the outcome and how many items were refused."""
        return self._transport.post(signal, otlp.request(self._resource(), items), timeout)


class LeanEngine:
    """The kit's own engine; see `Engine` in `telemetry` for its arguments and methods."""

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
        self._counts = counts
        self._make_resource = make_resource
        self._spans = Signal(
            "traces", settings.queue_size, exported=counts.exported, dropped=counts.dropped
        )
        self._logs = Signal(
            "logs",
            settings.queue_size,
            exported=counts.lines_exported,
            dropped=counts.lines_dropped,
        )
        self._pipeline = Pipeline(
            settings,
            lambda: EncodedSender(settings, lambda: self.provider.resource.attributes, receiver),
            signals=(self._spans, self._logs),
            is_dropping=is_dropping,
            on_tick=on_tick,
            gives_up=receiver.hangs,
        )
        self._scopes: dict[str, bytes] = {}
        self._keep = sink or self._queue
        self.provider = RecordingTracerProvider(
            make_resource(),
            Sampler(settings),
            sink=self._export if settings.traces_export else self._discard,
            count_unsampled=self._count_unsampled,
            slow_seconds=settings.slow_seconds,
        )
        self.flush, self.shutdown = self._pipeline.flush, self._pipeline.shutdown

    def run(self) -> None:
        """Start the exporting thread, if this process has none."""
        if not self._pipeline.has_thread:
            self._pipeline.start()

    def put_line(self, line: Line) -> None:
        """Queue a log line, unless the exporting thread wrote it."""
        if threading.get_ident() == self._pipeline.thread_ident:
            return
        scope = self._scopes.get(line.logger)
        if scope is None:
            scope = self._scopes[line.logger] = otlp.scope(line.logger)
        self._pipeline.put(self._logs, (scope, otlp.encode_log(line)))

    def is_exported(self, span: Span) -> bool:
        """Return whether a span that has ended is exported."""
        return span.exported if type(span) is RecordedSpan else _is_sampled(span)

    def describe(self) -> None:
        """Describe this process in what is exported from now on."""
        self.provider.resource = self._make_resource()

    after_fork = describe

    def _count_unsampled(self) -> None:
        self._counts.unsampled.increment()
        self.run()

    def _export(self, span: RecordedSpan) -> None:
        self._counts.sampled.increment()
        self._keep(span)

    def _queue(self, span: Any) -> None:
        scope = span.tracer.encoded_scope
        if scope is None:
            name, version = span.tracer.scope.name, span.tracer.scope.version
            scope = span.tracer.encoded_scope = otlp.scope(name, version or "")
        self._pipeline.put(self._spans, (scope, otlp.encode_span(span)))

    def _discard(self, span: RecordedSpan) -> None:  # noqa: ARG002
        """Count a span only: OTEL_TRACES_EXPORTER is not `otlp`."""
        self._count_unsampled()


def _is_sampled(span: Span) -> bool:
    return bool(span.get_span_context()[3] & 1)
