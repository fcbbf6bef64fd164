"""A span that costs a third of the SDK's: no lock, no processors.

It is a `ReadableSpan`, so every exporter can read it.
"""

from __future__ import annotations

import traceback
from time import time_ns
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

# Private: upstream has no cheaper way to the current span than get_current_span(), which checks
# types; what spans cost: https://github.com/open-telemetry/opentelemetry-python/issues/3663
from opentelemetry.trace.propagation import _SPAN_KEY

from .. import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

MAX_ATTRIBUTES = 128
MAX_EVENTS = 32
_MAX_STACK = 6000
# The status of nearly all spans: one object for all of them.
UNSET = Status(StatusCode.UNSET)


class SpanSource(Protocol):
    """The part of a tracer that its spans use."""

    scope: InstrumentationScope
    # The scope as the exporter encodes it, kept after the first span.
    encoded_scope: bytes | None

    @property
    def resource(self) -> Resource:
        """Return the resource of the process, which a fork changes."""

    def ended(self, span: RecordedSpan) -> None:
        """Accept a span that has ended."""


def current_span() -> trace_api.Span:
    """Return the current span, in half the steps of `get_current_span`."""
    span: trace_api.Span | None = context_api.get_current().get(_SPAN_KEY)  # type: ignore[assignment]
    return trace_api.INVALID_SPAN if span is None else span


def sampled_trace_id() -> int:
    """Return the trace id of the current span, or 0 if it is not sampled."""
    trace_id, _, _, flags, _, _ = current_span().get_span_context()
    return trace_id if flags & 1 else 0


class RecordedSpan(trace_api.Span, ReadableSpan):
    """A recording span; when it ends, it goes to the tracer that started it."""

    # ReadableSpan's private fields: upstream has no interface that a span of another kind could
    # implement for exporters, and defaults on the class save setting them for each span.
    _events: Any = ()
    _links: Any = ()
    _status = UNSET
    _instrumentation_info = None
    _end_time: int | None = None
    # Whether the span was, or will be, handed to the exporter.
    exported = False

    def __init__(  # noqa: PLR0917 - keywords cost time in the hottest call of all
        self,
        tracer: SpanSource,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        start_time: int | None,
        local_root: RecordedSpan | None,
    ) -> None:
        self.tracer = tracer
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._attributes: dict[str, Any] = dict(attributes) if attributes else {}
        self._start_time = start_time or time_ns()
        self._local_root = local_root
        self.watched: list[RecordedSpan] | None = None

    @property
    def _resource(self) -> Resource:  # type: ignore[override]
        return self.tracer.resource

    @property
    def _instrumentation_scope(self) -> InstrumentationScope:  # type: ignore[override]
        return self.tracer.scope

    @property
    def local_root(self) -> RecordedSpan:
        """Return the first span of this trace in this process."""
        return self._local_root or self

    def get_span_context(self) -> SpanContext:
        """Return trace id, span id, flags and state."""
        return self._context  # type: ignore[return-value]

    def is_recording(self) -> bool:
        """Return whether the span has not ended."""
        return self._end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; it is dropped when the span already has MAX_ATTRIBUTES."""
        if self._end_time is None and (len(self._attributes) < MAX_ATTRIBUTES):
            self._attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if self._end_time is None and len(self._attributes) + len(attributes) <= MAX_ATTRIBUTES:
            self._attributes.update(attributes)
            return
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Add an event; it is dropped when the span already has MAX_EVENTS."""
        if self._end_time is None and len(self._events) < MAX_EVENTS:
            self._events = [*self._events, Event(name, dict(attributes or {}), timestamp)]

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link to another span."""
        if self._end_time is None and context.is_valid:
            self._links = [*self._links, Link(context, dict(attributes or {}))]

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if self._end_time is None:
            self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; OK is final, UNSET is ignored."""
        if isinstance(status, StatusCode):
            status = Status(status, description)
        final = self._status.status_code is StatusCode.OK
        if self._end_time is None and not final and status.status_code is not StatusCode.UNSET:
            self._status = status

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: ARG002 - the API's signature
    ) -> None:
        """Add the exception as an event, with only the end of a long stack trace."""
        stack = "".join(traceback.format_exception(exception))
        details = {
            semconv.ATTR_EXCEPTION_TYPE: qualified_name(exception),
            semconv.ATTR_EXCEPTION_MESSAGE: str(exception)[:1000],
            semconv.ATTR_EXCEPTION_STACKTRACE: stack[-_MAX_STACK:],
        }
        self.add_event(semconv.EVENT_EXCEPTION, {**details, **(attributes or {})}, timestamp)

    def fail(self, exception: BaseException) -> None:
        """Record the exception and set the status to ERROR."""
        self.record_exception(exception)
        self.set_status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}"[:1000])

    def end(self, end_time: int | None = None) -> None:
        """End the span and pass it on; a second call does nothing."""
        if self._end_time is None:
            self._end_time = end_time or time_ns()
            self.tracer.ended(self)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """End the span; an exception is recorded and propagates."""
        if isinstance(exc_val, Exception):
            self.fail(exc_val)
        self.end()


def qualified_name(error: BaseException) -> str:
    """Return the qualified class name of an exception; a builtin has no module."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
