"""Carry a trace over a wire or through a table: W3C Trace Context."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import context as context_api
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from . import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context

# Source: W3C Trace Context; version ff is forbidden, later versions may be longer.
_traceparent = re.compile(
    r"\s*(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\s*", re.ASCII
)
_FLAGS = tuple(TraceFlags(value) for value in (TraceFlags.DEFAULT, TraceFlags.SAMPLED))
_NO_STATE = TraceState.get_default()


def parse_traceparent(traceparent: str | None, tracestate: str | None = None) -> SpanContext | None:
    """Return the ids in a header pair, or None if they are not valid."""
    match = _traceparent.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "00" and rest:
        return None
    state = TraceState.from_header([tracestate]) if tracestate else _NO_STATE
    context = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=_FLAGS[int(flags, 16) & 1],
        trace_state=state,
    )
    return context if context.is_valid else None


def format_traceparent(context: SpanContext) -> str:
    """Return the header of these ids."""
    trace_id, span_id, _, flags, _, _ = context
    return f"00-{trace_id:032x}-{span_id:016x}-{flags & 1:02x}"


def remote_context(traceparent: str | None, tracestate: str | None = None) -> Context:
    """Return a context whose current span is the remote one; without a valid one, an empty context.

    Takes the two strings, not a `TraceContext`: the Flask middleware calls it once per request.
    """
    parent = parse_traceparent(traceparent, tracestate)
    return set_span_in_context(NonRecordingSpan(parent)) if parent else context_api.Context()


class TraceContext(NamedTuple):
    """A position in a trace, encoded as the two headers of W3C Trace Context.

    Args:
        traceparent: Trace id, span id and flags; None outside a trace.
        tracestate: Additions of tracing vendors, if any.
    """

    traceparent: str | None = None
    tracestate: str | None = None

    @classmethod
    def current(cls) -> TraceContext:
        """Return the context of the current span, to store or to send."""
        context = get_current_span().get_span_context()
        if not context.is_valid:
            return NO_TRACE
        state = context.trace_state.to_header() if context.trace_state else None
        return cls(format_traceparent(context), state)

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any]) -> TraceContext:
        """Return the context that headers carry, by their lower-case names."""
        return cls(headers.get(semconv.HEADER_TRACEPARENT), headers.get(semconv.HEADER_TRACESTATE))

    def to_headers(self) -> dict[str, str]:
        """Return the headers that carry this context; none outside a trace."""
        pairs = (
            (semconv.HEADER_TRACEPARENT, self.traceparent),
            (semconv.HEADER_TRACESTATE, self.tracestate),
        )
        return {name: value for name, value in pairs if value}

    def to_context(self) -> Context:
        """Return an OpenTelemetry context in which this is the remote parent."""
        return remote_context(self.traceparent, self.tracestate)

    @contextmanager
    def as_parent(self) -> Iterator[None]:
        """Make this the parent of every span that starts inside the block."""
        token = context_api.attach(self.to_context())
        try:
            yield
        finally:
            context_api.detach(token)


NO_TRACE = TraceContext()
