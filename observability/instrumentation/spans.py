"""Spans around calls to other services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, set_span_in_context

from . import semconv
from ._tracing.recorded_span import RecordedSpan, current_span
from ._tracing.tracer import RecordingTracer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opentelemetry.trace import Span

    from .telemetry import Telemetry


class client_span:  # noqa: N801 - used like a function; a class costs less
    """A context manager that starts a child of the current span; without one it does nothing.

    An exception is recorded, sets the status to ERROR and propagates.

    Args:
        telemetry: Its tracer makes the span.
        name: The operation; never an id, since names must be few.
        attributes: Set at the start.
        kind: CLIENT by default.
    """

    __slots__ = ("_attributes", "_kind", "_name", "_span", "_telemetry", "_token")

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        kind: SpanKind = SpanKind.CLIENT,
    ) -> None:
        self._telemetry = telemetry
        self._name = name
        self._attributes = attributes
        self._kind = kind
        self._span: Span = INVALID_SPAN
        self._token: Any = None

    def __enter__(self) -> Span:
        above, tracer = current_span(), self._telemetry.tracer
        if type(above) is RecordedSpan and type(tracer) is RecordingTracer:
            self._span = tracer.child_of(above, self._name, self._kind, self._attributes)
        elif above.is_recording():
            self._span = tracer.start_span(self._name, kind=self._kind, attributes=self._attributes)
        else:
            return self._span
        self._token = context_api.attach(set_span_in_context(self._span))
        return self._span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._token is None:
            return
        context_api.detach(self._token)
        if isinstance(exc_val, Exception):
            fail_span(self._span, exc_val)
        self._span.end()


def fail_span(span: Span, error: BaseException) -> None:
    """Set the status to ERROR and record the exception."""
    span.set_attribute(semconv.ATTR_ERROR_TYPE, type(error).__name__)
    span.record_exception(error)
    span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}"[:1000])
