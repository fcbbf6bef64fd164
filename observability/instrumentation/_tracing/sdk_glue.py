"""What the kit adds to the spans of OpenTelemetry's SDK: its sampler, and the kept traces.

The SDK decides about a span when it starts. A span that is recorded, but not sampled, is held here
until the first span of its trace in this process has ended; if that failed or was slow, all of them
are exported.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision as SdkDecision
from opentelemetry.sdk.trace.sampling import Sampler as SdkSampler
from opentelemetry.sdk.trace.sampling import SamplingResult
from opentelemetry.trace import (
    INVALID_SPAN,
    SpanContext,
    StatusCode,
    TraceFlags,
    get_current_span,
)

from .. import semconv
from .sampling import Decision
from .tracer import MAX_WATCHED

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    from .sampling import Sampler

# Spans that never end must not fill the memory.
_MOST_ROOTS = 10_000
_MOST_KEPT = 1_000
_DECISIONS = {
    Decision.DROP: SdkDecision.DROP,
    Decision.WATCH: SdkDecision.RECORD_ONLY,
    Decision.SAMPLE: SdkDecision.RECORD_AND_SAMPLE,
}


class KitSampler(SdkSampler):
    """The kit's sampler, for the SDK's provider."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(self, parent_context: Context | None, trace_id: int, *rest: Any) -> Any:
        """Decide about the first span of a trace in this process; its children follow it."""
        above = get_current_span(parent_context)
        parent = above.get_span_context()
        # The fourth of the other arguments is the first that says anything: the attributes.
        attributes = rest[2] if len(rest) > 2 else None
        if isinstance(above, ReadableSpan):
            sampled = parent.trace_flags & TraceFlags.SAMPLED
            decision = Decision.SAMPLE if sampled else Decision.WATCH
        else:
            decision = self._sampler.decide(trace_id, parent if parent.is_valid else None)
        return SamplingResult(_DECISIONS[decision], attributes, parent.trace_state)

    def get_description(self) -> str:
        """Return a name for it."""
        return "KitSampler"


class _Watched:
    """The first span of a watched trace in this process, and the ended spans below it."""

    def __init__(self, root_id: int) -> None:
        self.root_id = root_id
        self.spans: list[ReadableSpan] = []
        self.is_open = True

    def takes_more(self) -> bool:
        """Return whether its root has not ended and there is room."""
        return self.is_open and len(self.spans) < MAX_WATCHED


class SpanRouter(SpanProcessor):
    """A span processor that passes on each span that is exported, and counts the others.

    Args:
        export: Called with each span that is to be exported.
        count_unsampled: Called for each other span that ended.
        slow_seconds: A watched trace whose root takes at least this long is exported.
    """

    def __init__(
        self,
        export: Callable[[ReadableSpan], None],
        count_unsampled: Callable[[], None],
        slow_seconds: float,
    ) -> None:
        self._export, self._count_unsampled = export, count_unsampled
        self._slow_ns = int(slow_seconds * 1e9)
        self.forget()

    def forget(self) -> None:
        """Begin without watched spans, as in a child process."""
        self._lock = threading.Lock()
        # By the id of each span that has not ended: the watched trace that it belongs to.
        self._watched: dict[int, _Watched] = {}
        self._kept: dict[int, None] = {}

    def was_kept(self, trace_id: int) -> bool:
        """Return whether a trace that was not sampled is exported."""
        return trace_id in self._kept

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember to which watched trace a span belongs."""
        context = span.get_span_context() or INVALID_SPAN.get_span_context()
        if context.trace_flags & TraceFlags.SAMPLED:
            return
        above = get_current_span(parent_context).get_span_context()
        with self._lock:
            if len(self._watched) >= _MOST_ROOTS:
                del self._watched[next(iter(self._watched))]
            found = None if above.is_remote else self._watched.get(above.span_id)
            self._watched[context.span_id] = found or _Watched(context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Export a sampled span; hold a watched one until its root has ended."""
        context: SpanContext = span.get_span_context()  # type: ignore[assignment]
        if context.trace_flags & TraceFlags.SAMPLED:
            self._export(span)
            return
        with self._lock:
            watched = self._watched.pop(context.span_id, None)
            is_root = watched is not None and watched.root_id == context.span_id
            if watched is not None and not is_root and watched.takes_more():
                watched.spans.append(span)
                return
        if watched is not None and is_root:
            self._release(span, watched)
        else:
            self._count_unsampled()

    def _release(self, span: ReadableSpan, watched: _Watched) -> None:
        """Export a watched trace whose root has ended, or drop and count it."""
        watched.is_open = False
        reason = self._reason_to_keep(span)
        for one in (*watched.spans, span):
            if reason is None:
                self._count_unsampled()
            else:
                self._note_kept(span)
                self._export(_kept_copy(one, reason))

    def _reason_to_keep(self, root: ReadableSpan) -> str | None:
        if root.status.status_code is StatusCode.ERROR:
            return "error"
        lasted = (root.end_time or 0) - (root.start_time or 0)
        return "slow" if lasted >= self._slow_ns else None

    def _note_kept(self, root: ReadableSpan) -> None:
        context: SpanContext = root.get_span_context()  # type: ignore[assignment]
        if len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[context.trace_id] = None


def _kept_copy(span: ReadableSpan, reason: str) -> ReadableSpan:
    """Return the span as a sampled one, since a batch processor takes no others."""
    context: SpanContext = span.get_span_context()  # type: ignore[assignment]
    sampled = SpanContext(
        context.trace_id,
        context.span_id,
        context.is_remote,
        TraceFlags(context.trace_flags | TraceFlags.SAMPLED),
        context.trace_state,
    )
    return ReadableSpan(
        name=span.name,
        context=sampled,
        parent=span.parent,
        resource=span.resource,
        attributes={**(span.attributes or {}), semconv.ATTR_KEPT_BECAUSE: reason},
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
