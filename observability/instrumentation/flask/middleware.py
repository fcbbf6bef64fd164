"""The WSGI middleware: one span, one observation and one log line per request.

It sees what Flask's hooks miss: unknown URLs, wrong methods, failures before the view, and how long
a streamed response takes.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import got_request_exception, request
from opentelemetry import context as context_api
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from werkzeug.exceptions import HTTPException

from .. import semconv
from .._multiprocess.liveness import is_first
from ..logs import write_line
from ..propagation import format_traceparent, remote_context
from ..settings import SDK
from .attributes import server_attributes
from .request import KNOWN_METHODS, RequestState
from .routes import KnownResponses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from flask import Flask
    from opentelemetry.trace import Span

    from ..telemetry import Telemetry

_logger = logging.getLogger("access")
_own_logger = logging.getLogger(__name__)
_STATE = "telemetry.request"
_EXTENSION = "telemetry"
PROBES = ("/livez", "/readyz", "/metrics")


def instrument_app(
    app: Flask,
    telemetry: Telemetry,
    *,
    exclude: Sequence[str] = PROBES,
    success_codes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Instrument an app; call this last in its factory, when all routes are registered.

    Args:
        app: The app to instrument; a second call does nothing.
        telemetry: The telemetry of this process.
        exclude: Paths without spans, metrics and log lines: exactly these.
        success_codes: By endpoint or rule, the status codes whose series exist at 0 from the
            start. Others are guessed: 204 for DELETE, 201 for POST, 200, 201 and 302 for the POST
            of a view that answers GET too, as forms do, else 200. A code that one route sends,
            and that was not guessed, then exists at 0 for all routes with that method but GET.
            500 and 503 always exist. TELEMETRY_ZERO_SERIES limits their number.
    """
    if is_instrumented(app):
        return
    app.extensions[_EXTENSION] = telemetry
    excluded = frozenset(exclude)
    known = KnownResponses(app, excluded, success_codes or {})
    middleware = TelemetryMiddleware(app, telemetry, excluded, known)
    middleware.zero(known.label_sets())
    if telemetry.settings.engine == SDK and not _is_instrumented(app):
        from .contrib import instrument  # noqa: PLC0415 - only where it is chosen

        instrument(app, telemetry, excluded)
    middleware.inner = app.wsgi_app
    app.wsgi_app = middleware  # type: ignore[method-assign]
    _note_handled_exceptions(app)
    # Of every app: one that is mounted in this one answers requests of this one.
    got_request_exception.connect(_note_exception)


def is_instrumented(app: Flask) -> bool:
    """Return whether `instrument_app` was called for this app."""
    return _EXTENSION in app.extensions


def _is_traced(app: Flask, telemetry: Telemetry) -> bool:
    """Return whether contrib's instrumentor makes, or will make, the server spans."""
    return _is_instrumented(app) or telemetry.settings.engine == SDK


def _is_instrumented(app: Flask) -> bool:
    # Private, but meant for this purpose:
    # https://github.com/open-telemetry/opentelemetry-python-contrib/pull/549
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))


def _note_exception(_app: Flask, exception: BaseException, **_: Any) -> None:
    """Keep an exception that no handler caught; Flask responds with 500."""
    state = _state()
    if state is not None:
        state.error, state.handled = exception, None
        state.learn_route()


def _note_handled_exceptions(app: Flask) -> None:
    """Keep the exceptions that error handlers turn into responses; Flask has no signal for them."""
    handle = app.handle_user_exception

    def note_and_handle(error: Exception) -> Any:
        state = _state()
        if state is not None and not isinstance(error, HTTPException):
            state.handled = error
        return handle(error)

    app.handle_user_exception = note_and_handle  # type: ignore[method-assign,assignment]


def _state() -> RequestState | None:
    found: RequestState | None = request.environ.get(_STATE)
    return found


class TelemetryMiddleware:
    """The WSGI application that wraps the app's own."""

    def __init__(
        self, app: Flask, telemetry: Telemetry, excluded: frozenset[str], known: KnownResponses
    ) -> None:
        self._known = known
        self._folder = telemetry.settings.multiproc_dir
        self._most_at_0 = telemetry.settings.zero_series
        self.inner: Callable[..., Iterable[bytes]] = app.wsgi_app
        self._url_map = app.url_map
        self._tracer = telemetry.tracer
        self._makes_spans = not (telemetry.settings.sdk_disabled or _is_traced(app, telemetry))
        self._is_exported = telemetry.engine.is_exported
        self._slow_seconds = telemetry.settings.slow_seconds
        self._excluded = excluded
        self._durations = telemetry.metrics.histogram(semconv.HTTP_SERVER_REQUEST_DURATION)
        active = telemetry.metrics.gauge(semconv.HTTP_SERVER_ACTIVE_REQUESTS)
        self._active = {name: active.labels(name) for name in (*KNOWN_METHODS, semconv.OTHER)}
        self._children: dict[tuple[str, str, int], Any] = {}

    def zero(self, label_sets: Iterable[tuple[str, str, int]]) -> None:
        """Create these series at 0, as long as there are not too many."""
        left_out = 0
        for key in label_sets:
            if key in self._children:
                continue
            if len(self._children) >= self._most_at_0:
                left_out += 1
            else:
                self._create(key)
        if left_out and is_first(self._folder, "zero-series"):
            _own_logger.warning(
                "%d label sets of requests do not exist at 0, since TELEMETRY_ZERO_SERIES=%d: "
                "they begin with their first request",
                left_out,
                self._most_at_0,
            )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve a request."""
        # An instrumented app that is mounted in another one leaves the request to that one.
        if environ.get("PATH_INFO") in self._excluded or _STATE in environ:
            return self.inner(environ, start_response)
        state = RequestState(environ)
        environ[_STATE] = state
        self._active[state.method].inc()
        if self._makes_spans:
            self._start_span(state)
        try:
            body = self.inner(environ, self._starter(state, start_response))
        except BaseException as error:
            self._note_end(state, error)
            self._finish(state)
            raise
        if not state.answered:
            self._note_end(state)
        if state.streams:
            return _Stream(body, self, state)
        state.note_gone_client()
        self._finish(state)
        return body

    def _note_end(self, state: RequestState, error: BaseException | None = None) -> None:
        """Note a request that ends without a response."""
        if state.route is None:
            state.match(self._url_map)
        if state.became_websocket(error):
            state.status, state.streams = HTTPStatus.SWITCHING_PROTOCOLS.value, False
        elif error is not None:
            state.error, state.status = error, 500

    def _start_span(self, state: RequestState) -> None:
        environ = state.environ
        parent = remote_context(environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_TRACESTATE"))
        span = self._tracer.start_span(state.method, context=parent, kind=SpanKind.SERVER)
        state.span = span
        state.token = context_api.attach(set_span_in_context(span, parent))

    def _starter(self, state: RequestState, start_response: Any) -> Callable[..., Any]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            state.status, state.answered = int(status[:3]), True
            state.learn_route()
            # Flask sets the length of every response that is not streamed.
            for name, _ in headers:
                if name == "Content-Length" or name.lower() == "content-length":
                    state.streams = False
                    break
            span = state.current_span()
            if state.handled is not None and state.status >= 500:
                span.record_exception(state.handled)
            if state.token is None and state.differs():
                self._correct(span, state)
            context = span.get_span_context()
            if context.trace_id:
                headers.append((semconv.HEADER_TRACERESPONSE, format_traceparent(context)))
            return start_response(status, headers, *exc_info)

        return start

    def _correct(self, span: Span, state: RequestState) -> None:
        """Give the span of OpenTelemetry's instrumentor what it misses, while it has not ended."""
        if not span.is_recording():
            return
        path, route, method = state.path(), state.route, state.method
        if route:
            span.update_name(f"{method} {route}")
        span.set_attributes(server_attributes(state.environ, path, method, route, state.status))
        if state.error is not None:
            span.set_attribute(semconv.ATTR_ERROR_TYPE, type(state.error).__name__)

    def _finish(self, state: RequestState) -> None:
        seconds = perf_counter() - state.started
        span = state.current_span()
        token = state.token
        if token is None:
            token = context_api.attach(set_span_in_context(span))
        try:
            try:
                path = state.path()
                if state.token is not None:
                    self._describe(span, state, path, seconds)
                self._log(state, path, seconds)
            finally:
                context_api.detach(token)
                if state.token is not None:
                    span.end()
                self._active[state.method].dec()
            # A WebSocket lasts as long as its users like, which says nothing about latency.
            if state.status != HTTPStatus.SWITCHING_PROTOCOLS:
                child = self._child((state.method, state.route or semconv.OTHER, state.status))
                child.observe(seconds, self._exemplar_trace_id(span))
        except Exception:
            # The response is good, whatever is wrong here.
            _own_logger.exception("a request could not be recorded")

    def _describe(self, span: Span, state: RequestState, path: str, seconds: float) -> None:
        route = state.route
        method = "HTTP" if state.method == semconv.OTHER else state.method
        span.update_name(f"{method} {route}" if route else method)
        failed = state.status >= 500
        # A watched span that will be dropped needs no attributes.
        if not (span.get_span_context()[3] & 1 or failed or seconds >= self._slow_seconds):
            return
        span.set_attributes(
            server_attributes(state.environ, path, state.method, route, state.status)
        )
        if failed:
            span.set_status(StatusCode.ERROR)
        if state.error is not None:
            span.record_exception(state.error)
            span.set_attribute(semconv.ATTR_ERROR_TYPE, type(state.error).__name__)
            description = f"{type(state.error).__name__}: {state.error}"[:1000]
            span.set_status(StatusCode.ERROR, description)

    def _log(self, state: RequestState, path: str, seconds: float) -> None:
        path = path[:256]
        attributes = {
            semconv.ATTR_HTTP_REQUEST_METHOD: state.method,
            semconv.ATTR_HTTP_ROUTE: state.route or semconv.OTHER,
            semconv.ATTR_URL_PATH: path,
            semconv.ATTR_HTTP_RESPONSE_STATUS_CODE: state.status,
            semconv.ATTR_HTTP_DURATION: round(seconds, 6),
            semconv.ATTR_CLIENT_ADDRESS: state.environ.get("REMOTE_ADDR", ""),
        }
        failed = state.status >= 500
        if failed and (error := state.error or state.handled):
            attributes[semconv.ATTR_EXCEPTION_TYPE] = type(error).__name__
            attributes[semconv.ATTR_EXCEPTION_MESSAGE] = str(error)[:1000]
        level = logging.ERROR if failed else logging.INFO
        write_line(_logger, level, f"{state.method} {path} {state.status}", attributes)

    def _exemplar_trace_id(self, span: Span) -> int:
        """Return the trace id if the span is exported, else 0."""
        return span.get_span_context()[0] if self._is_exported(span) else 0

    def _child(self, key: tuple[str, str, int]) -> Any:
        child = self._children.get(key)
        if child is None:
            child = self._create(key)
            method, route, status = key
            if route != semconv.OTHER:
                self.zero(self._known.learn(method, status))
        return child

    def _create(self, key: tuple[str, str, int]) -> Any:
        method, route, status = key
        child = self._children[key] = self._durations.labels(method, route, str(status))
        return child


class _Stream:
    """A streamed response; the request ends when it does."""

    def __init__(
        self, body: Iterable[bytes], middleware: TelemetryMiddleware, state: RequestState
    ) -> None:
        self._body = body
        self._middleware = middleware
        self._state = state
        self._done = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                self._state.error, self._state.status = error, 500
            raise
        finally:
            self._finish()

    def close(self) -> None:
        """End the request, even if the client has not read all of the response."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._finish()

    def _finish(self) -> None:
        if not self._done:
            self._done = True
            self._middleware._finish(self._state)
