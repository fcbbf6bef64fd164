"""What the engines do differently: the whole list, which `test_engines` asserts on both sides.

A row disappears when upstream changes; then its test fails, and the row is deleted. The same list,
in words, is in docs/decisions/0002-own-span-engine.md.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import flask
from opentelemetry.trace import get_current_span
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import create_environ

from observability.instrumentation.flask import instrument_app
from observability.instrumentation.testing import RecordedTelemetry

CONTRIB = "https://github.com/open-telemetry/opentelemetry-python-contrib"
SDK = "https://github.com/open-telemetry/opentelemetry-python"
SPECIFICATION = "https://github.com/open-telemetry/opentelemetry-specification"


@dataclass(frozen=True)
class Difference:
    """One observation that differs.

    Args:
        what: What `sdk` does, in the words of the document.
        upstream: Why, as upstream tells it.
        observe: Returns what was observed.
        lean: What `lean` shows.
        sdk: What `sdk` shows.
    """

    what: str
    upstream: str
    observe: Callable[[RecordedTelemetry], Any]
    lean: Any
    sdk: Any


def app_with(telemetry: RecordedTelemetry, view: Callable[[], Any], **options: Any) -> flask.Flask:
    app = flask.Flask("app")
    app.add_url_rule("/view", view_func=view, endpoint="view", **options)
    instrument_app(app, telemetry)
    return app


def spans_before_a_streams_end(telemetry: RecordedTelemetry) -> int:
    client = app_with(telemetry, lambda: flask.Response(iter(["a", "b"]))).test_client()
    answer = client.get("/view", buffered=False)
    count = len(telemetry.spans)
    answer.close()
    return count


def status_of_a_broken_stream(telemetry: RecordedTelemetry) -> str:
    def broken() -> Any:
        yield "a"
        raise OSError("disk")

    client = app_with(telemetry, lambda: flask.Response(broken())).test_client()
    with suppress(OSError):
        client.get("/view").get_data()
    return telemetry.span("GET /view").status.status_code.name


def status_of_a_websocket(telemetry: RecordedTelemetry) -> int | None:
    class Ended(flask.Response):
        def __call__(self, *_: Any) -> Any:
            return []

    app = app_with(telemetry, Ended, websocket=True)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    app.wsgi_app(create_environ("/view", headers=upgrade), lambda *_: None)
    return telemetry.span("GET /view").attributes.get("http.response.status_code")


def spans_of_a_mounted_app(telemetry: RecordedTelemetry) -> int:
    app, inner = flask.Flask("app"), flask.Flask("inner")
    inner.add_url_rule("/", view_func=lambda: "hello", endpoint="hello")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/inner": inner})  # type: ignore[method-assign]
    instrument_app(app, telemetry)
    app.test_client().get("/inner/")
    return len(telemetry.spans)


def flags_of_a_new_trace(telemetry: RecordedTelemetry) -> int:
    with telemetry.tracer.start_as_current_span("root"):
        return get_current_span().get_span_context().trace_flags


def first_of_too_many_attributes(telemetry: RecordedTelemetry) -> bool:
    with telemetry.tracer.start_as_current_span("many") as span:
        for number in range(200):
            span.set_attribute(f"key {number}", number)
    return "key 0" in telemetry.span("many").attributes


def first_of_too_many_events(telemetry: RecordedTelemetry) -> str:
    with telemetry.tracer.start_as_current_span("many") as span:
        for number in range(100):
            span.add_event(f"event {number}")
    return telemetry.span("many").events[0].name


def length_of_a_deep_stack(telemetry: RecordedTelemetry) -> bool:
    def fail(depth: int) -> None:
        if depth:
            fail_too(depth - 1)
        raise RuntimeError("deep")

    def fail_too(depth: int) -> None:
        fail(depth)

    with telemetry.tracer.start_as_current_span("deep") as span:
        try:
            fail(200)
        except RuntimeError as error:
            span.record_exception(error)
    return len(telemetry.span("deep").events[0].attributes["exception.stacktrace"]) > 6000


DIFFERENCES = (
    Difference(
        "A streamed response: the span ends when the view returns, not with the last byte.",
        f"{CONTRIB}/issues/3401",
        spans_before_a_streams_end,
        lean=0,
        sdk=1,
    ),
    Difference(
        "A stream that breaks: the span, which has ended, shows no error.",
        f"{CONTRIB}/issues/3401",
        status_of_a_broken_stream,
        lean="ERROR",
        sdk="UNSET",
    ),
    Difference(
        "A WebSocket: the span has no status code, since no HTTP response starts.",
        f"{CONTRIB}/pull/2627",
        status_of_a_websocket,
        lean=101,
        sdk=None,
    ),
    Difference(
        "A WSGI app mounted beside the Flask app, and not instrumented itself: no span.",
        f"{SDK}/pull/206",
        spans_of_a_mounted_app,
        lean=1,
        sdk=0,
    ),
    Difference(
        "Trace flags say that the trace id is random (W3C Trace Context level 2).",
        f"{SDK}/pull/4854",
        flags_of_a_new_trace,
        lean=1,
        sdk=3,
    ),
    Difference(
        "Of more than 128 attributes the newest stay, not the first.",
        f"{SDK}/pull/1915",
        first_of_too_many_attributes,
        lean=True,
        sdk=False,
    ),
    Difference(
        "Of more than 32 events the newest stay, not the first.",
        f"{SPECIFICATION}/issues/1440",
        first_of_too_many_events,
        lean="event 0",
        sdk="event 68",
    ),
    Difference(
        "A stack trace of more than 6,000 characters is not cut.",
        f"{SPECIFICATION}/issues/1532",
        length_of_a_deep_stack,
        lean=False,
        sdk=True,
    ),
)
