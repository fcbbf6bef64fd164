"""The tracer and its provider: OpenTelemetry's API without the parts that this kit does not use.

Everything written against the API works with them, contrib instrumentors included. Left out are
span processors and the counts of dropped attributes. What the SDK's spans cost:
https://github.com/open-telemetry/opentelemetry-python/issues/3663
"""

from __future__ import annotations

from contextlib import ContextDecorator
from random import getrandbits
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from .. import semconv
from .recorded_span import RecordedSpan, current_span
from .sampling import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import Link

    from .sampling import Sampler

# Most spans of one trace that are held until its root has ended.
MAX_WATCHED = 64

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)
_NO_STATE = trace_api.TraceState.get_default()


class RecordingTracer(trace_api.Tracer):
    """A tracer for one instrumentation scope."""

    def __init__(self, provider: RecordingTracerProvider, scope: InstrumentationScope) -> None:
        self._provider = provider
        self.scope = scope
        self.encoded_scope: bytes | None = None
        self.ended = provider.ended

    @property
    def resource(self) -> Resource:
        """Return the resource of the process, which a fork changes."""
        return self._provider.resource

    def start_span(  # noqa: PLR0917 - the API's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: ARG002 - the API's signature
        set_status_on_exception: bool = True,  # noqa: ARG002
    ) -> trace_api.Span:
        """Start a span, as a child of the one in the context if there is one."""
        above = current_span() if context is None else trace_api.get_current_span(context)
        if type(above) is RecordedSpan:
            span = self.child_of(above, name, kind, attributes, start_time)
        else:
            parent = above.get_span_context()
            first = self.root(
                parent if parent.is_valid else None, name, kind, attributes, start_time
            )
            if first is None:
                return _unrecorded(parent)
            span = first
        if links:
            span._links = list(links)
        return span

    def child_of(
        self,
        above: RecordedSpan,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None = None,
        start_time: int | None = None,
    ) -> RecordedSpan:
        """Start a child of this span."""
        parent: SpanContext = above._context  # type: ignore[assignment]
        trace_id, _, _, flags, state, _ = parent
        context = SpanContext(trace_id, getrandbits(64) or 1, False, flags, state)
        root = above._local_root or above
        return RecordedSpan(self, name, context, parent, kind, attributes, start_time, root)

    def root(
        self,
        parent: SpanContext | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None = None,
        start_time: int | None = None,
    ) -> RecordedSpan | None:
        """Start the first span of a trace in this process, or return None if it is dropped."""
        trace_id = parent.trace_id if parent else getrandbits(128) or 1
        decision = self._provider.sampler.decide(trace_id, parent)
        if decision is Decision.DROP:
            return None
        context = SpanContext(
            trace_id,
            getrandbits(64) or 1,
            is_remote=False,
            trace_flags=_SAMPLED if decision is Decision.SAMPLE else _NOT_SAMPLED,
            trace_state=parent.trace_state if parent else _NO_STATE,
        )
        span = RecordedSpan(self, name, context, parent, kind, attributes, start_time, None)
        if decision is Decision.WATCH:
            span.watched = []
        return span

    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Start a span that is current inside a `with` block or a decorated function."""
        return _CurrentSpan(self, name, args, kwargs)


def _unrecorded(parent: SpanContext) -> NonRecordingSpan:
    if parent.is_valid:
        return NonRecordingSpan(parent)
    return NonRecordingSpan(
        SpanContext(getrandbits(128) or 1, getrandbits(64) or 1, is_remote=False)
    )


class _CurrentSpan(ContextDecorator):
    """The context manager and decorator that the API asks for, cheaper than a generator."""

    def __init__(
        self, tracer: RecordingTracer, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._arguments = (tracer, name, args, kwargs)
        self._end_on_exit = kwargs.pop("end_on_exit", True)
        self._record = kwargs.get("record_exception", True)
        self._set_status = kwargs.get("set_status_on_exception", True)

    def _recreate_cm(self) -> _CurrentSpan:
        tracer, name, args, kwargs = self._arguments
        return _CurrentSpan(tracer, name, args, {**kwargs, "end_on_exit": self._end_on_exit})

    def __enter__(self) -> trace_api.Span:
        tracer, name, args, kwargs = self._arguments
        self._span = tracer.start_span(name, *args, **kwargs)
        self._token = context_api.attach(trace_api.set_span_in_context(self._span))
        return self._span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        context_api.detach(self._token)
        span = self._span
        if isinstance(exc_val, Exception) and span.is_recording():
            if self._record:
                span.record_exception(exc_val)
            if self._set_status:
                span.set_status(StatusCode.ERROR, f"{type(exc_val).__name__}: {exc_val}"[:1000])
        if self._end_on_exit:
            span.end()


class RecordingTracerProvider(trace_api.TracerProvider):
    """A provider of tracers whose ended spans go to one sink.

    Args:
        resource: The resource of this process; each export reads it again, since a fork changes it.
        sampler: Decides about each trace that starts in this process or enters it.
        sink: Called with each span that is to be exported.
        count_unsampled: Called for each span that ended and is not exported.
        slow_seconds: A watched trace whose root takes at least this long is exported.
    """

    def __init__(
        self,
        resource: Resource,
        sampler: Sampler,
        *,
        sink: Callable[[RecordedSpan], None],
        count_unsampled: Callable[[], None],
        slow_seconds: float,
    ) -> None:
        self.resource = resource
        self.sampler = sampler
        self._sink = sink
        self._count_unsampled = count_unsampled
        self._slow_ns = int(slow_seconds * 1e9)
        self.tracers: dict[tuple[str, str], RecordingTracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> trace_api.Tracer:
        """Return the tracer of a scope."""
        key = (instrumenting_module_name, instrumenting_library_version or "")
        tracer = self.tracers.get(key)
        if tracer is None:
            scope = InstrumentationScope(*key, schema_url, attributes)
            tracer = self.tracers[key] = RecordingTracer(self, scope)
        return tracer

    def ended(self, span: RecordedSpan) -> None:
        """Export a sampled span; hold a watched one until its root has ended."""
        if span._context[3] & 1:  # type: ignore[index]
            span.exported = True
            self._sink(span)
            return
        root = span.local_root
        if span is root:
            self._release(root)
        elif root.watched is not None and len(root.watched) < MAX_WATCHED:
            root.watched.append(span)
        else:
            self._count_unsampled()

    def _release(self, root: RecordedSpan) -> None:
        """Export the spans of a watched trace, or drop and count them."""
        watched, root.watched = root.watched or [], None
        reason = self._reason_to_keep(root)
        for span in (*watched, root):
            if reason is None:
                self._count_unsampled()
                continue
            span.exported = True
            span._attributes[semconv.ATTR_KEPT_BECAUSE] = reason
            self._sink(span)

    def _reason_to_keep(self, root: RecordedSpan) -> str | None:
        if root._status.status_code is StatusCode.ERROR:
            return "error"
        lasted = (root._end_time or 0) - (root._start_time or 0)
        return "slow" if lasted >= self._slow_ns else None
