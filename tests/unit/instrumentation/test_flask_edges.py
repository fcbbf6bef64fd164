"""Requests at the edges of Flask: mounted apps, WebSockets, handled failures, other alphabets."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import flask
import pytest
from opentelemetry import trace
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import create_environ

from observability.instrumentation import semconv
from observability.instrumentation.flask import instrument_app, middleware
from observability.instrumentation.flask import request as request_module
from observability.instrumentation.testing import RecordedTelemetry
from tests.recorded import only_lean
from tests.unit.instrumentation.test_flask import observed

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


def make(name: str) -> flask.Flask:
    app = flask.Flask(name)

    @app.get("/users/<int:user>")
    def user(user: int) -> str:
        return f"{name} {user}"

    @app.get("/fail")
    def fail() -> str:
        raise LookupError(name)

    return app


@pytest.fixture
def mounted(telemetry: RecordedTelemetry) -> flask.Flask:
    """An app in which two others are mounted; one of them is instrumented too."""
    app, admin, both = make("main"), make("admin"), make("both")
    instrument_app(both, telemetry)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/admin": admin, "/both": both})
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_prefix=1)
    instrument_app(app, telemetry)
    return app


@pytest.mark.parametrize(
    ("engine", "mount"),
    [("lean", ""), ("lean", "/admin"), ("lean", "/both"), ("sdk", ""), ("sdk", "/both")],
    indirect=["engine"],
)
def test_a_mounted_app_has_its_prefix_in_route_and_path_and_is_counted_once(
    mounted: flask.Flask, telemetry: RecordedTelemetry, mount: str
) -> None:
    assert mounted.test_client().get(f"{mount}/users/2").status_code == 200

    (span,) = telemetry.spans
    route = f"{mount}/users/<int:user>"
    assert span.name == f"GET {route}"
    assert span.attributes["http.route"] == route
    assert span.attributes["url.path"] == f"{mount}/users/2"
    assert observed(telemetry, "GET", route, 200) == 1
    assert telemetry.log(f"GET {mount}/users/2 200").attributes["http.route"] == route
    if mount:
        assert observed(telemetry, "GET", "/users/<int:user>", 200) == 0


@pytest.mark.parametrize(
    ("engine", "mount"),
    [("lean", ""), ("lean", "/admin"), ("lean", "/both"), ("sdk", ""), ("sdk", "/both")],
    indirect=["engine"],
)
def test_a_failure_of_a_mounted_app_is_on_the_span(
    mounted: flask.Flask, telemetry: RecordedTelemetry, mount: str
) -> None:
    mounted.test_client().get(f"{mount}/fail")
    (span,) = telemetry.spans
    (event,) = span.events
    assert event.attributes["exception.message"] == (mount.strip("/") or "main")
    assert observed(telemetry, "GET", f"{mount}/fail", 500) == 1


def test_a_client_that_chooses_its_prefix_makes_no_series_without_end(
    mounted: flask.Flask, telemetry: RecordedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_module, "_prefixes", set())
    client = mounted.test_client()
    for number in range(2 * request_module.MOST_PREFIXES):
        client.get("/users/1", headers={"X-Forwarded-Prefix": f"/p{number}"})
    prefixed = {span.name for span in telemetry.spans}
    assert len(prefixed) == request_module.MOST_PREFIXES + 1
    assert observed(telemetry, "GET", semconv.OTHER, 200) == request_module.MOST_PREFIXES


def fail_if_called(*_: object) -> Any:
    """Stand where a server's `start_response` is."""
    raise AssertionError("a WebSocket has no HTTP response")


class TestWebSockets:
    """The errors with which flask-sock hands a socket back: gunicorn's, werkzeug's, no error."""

    @pytest.fixture
    def app(self, telemetry: RecordedTelemetry) -> flask.Flask:
        app = flask.Flask("app")

        class Ended(flask.Response):
            def __call__(self, *_: Any) -> Any:
                if error := flask.request.args.get("error"):
                    raise {"stop": StopIteration, "reset": ConnectionError, "bug": KeyError}[error]
                return []

        @app.route("/ws", websocket=True)
        def ws() -> flask.Response:
            if flask.request.args.get("error") == "refused":
                flask.abort(400)
            return Ended()

        instrument_app(app, telemetry)
        return app

    @only_lean
    @pytest.mark.parametrize("error", ["", "stop", "reset"])
    def test_one_that_ended_is_no_failure_and_has_no_duration(
        self, app: flask.Flask, telemetry: RecordedTelemetry, error: str
    ) -> None:
        environ = create_environ("/ws", query_string={"error": error}, headers=UPGRADE)
        with suppress(StopIteration, ConnectionError):
            app.wsgi_app(environ, fail_if_called)

        span = telemetry.span("GET /ws")
        assert span.status.status_code.name == "UNSET"
        assert span.attributes["http.response.status_code"] == 101
        assert span.events == ()
        telemetry.log("GET /ws 101")
        assert observed(telemetry, "GET", "/ws", 500) == 0
        assert observed(telemetry, "GET", "/ws", 200) == 0
        active = semconv.HTTP_SERVER_ACTIVE_REQUESTS
        assert telemetry.value(active, http_request_method="GET") == 0

    def test_a_handshake_that_is_refused_is_a_request(
        self, app: flask.Flask, telemetry: RecordedTelemetry
    ) -> None:
        app.test_client().get("/ws?error=refused", headers=UPGRADE)
        assert observed(telemetry, "GET", "/ws", 400) == 1

    def test_another_error_is_a_failure(
        self, app: flask.Flask, telemetry: RecordedTelemetry
    ) -> None:
        with pytest.raises(KeyError):
            app.test_client().get("/ws?error=bug", headers=UPGRADE)
        assert observed(telemetry, "GET", "/ws", 500) == 1

    def test_the_same_error_without_an_upgrade_is_a_failure(
        self, app: flask.Flask, telemetry: RecordedTelemetry
    ) -> None:
        @app.get("/plain")
        def plain() -> str:
            raise ConnectionError

        app.config["PROPAGATE_EXCEPTIONS"] = True
        with pytest.raises(ConnectionError):
            app.test_client().get("/plain")
        assert observed(telemetry, "GET", "/plain", 500) == 1


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, KeyboardInterrupt])
def test_a_request_that_a_server_ends_keeps_its_route(
    telemetry: RecordedTelemetry, error: type[BaseException]
) -> None:
    """gunicorn ends a request with SystemExit after its timeout, gevent with GreenletExit."""
    app = flask.Flask("app")

    @app.get("/slow/<name>")
    def slow(name: str) -> str:
        raise error(name)

    instrument_app(app, telemetry)
    with pytest.raises(error):
        app.test_client().get("/slow/x")
    assert observed(telemetry, "GET", "/slow/<name>", 500) == 1


class DomainError(Exception):
    """An error of an application."""


@pytest.mark.parametrize("status", [500, 503, 409])
def test_an_exception_that_a_handler_turned_into_a_failure_is_on_span_and_line(
    telemetry: RecordedTelemetry, status: int
) -> None:
    app = flask.Flask("app")
    app.errorhandler(DomainError)(lambda error: ({"error": str(error)}, status))

    @app.get("/handled")
    def handled() -> str:
        raise DomainError("the pool is empty")

    instrument_app(app, telemetry)
    app.test_client().get("/handled")

    line = telemetry.log(f"GET /handled {status}").attributes
    events = telemetry.span("GET /handled").events
    if status < 500:
        assert events == ()
        assert "exception.type" not in line
        return
    (event,) = events
    assert event.attributes["exception.message"] == "the pool is empty"
    assert (line["exception.type"], line["exception.message"]) == (
        "DomainError",
        "the pool is empty",
    )


def test_texts_of_other_alphabets_are_what_the_client_sent(telemetry: RecordedTelemetry) -> None:
    app = flask.Flask("app")
    app.get("/caf\u00e9/<name>")(lambda name: name)
    instrument_app(app, telemetry)
    agent = "b\u00f6t \u65e5\u672c".encode().decode("latin-1")
    app.test_client().get("/caf\u00e9/\u0141\u00f3d\u017a", headers={"User-Agent": agent})

    span = telemetry.span("GET /caf\u00e9/<name>")
    assert span.attributes["url.path"] == "/caf\u00e9/\u0141\u00f3d\u017a"
    assert span.attributes["user_agent.original"] == "b\u00f6t \u65e5\u672c"
    telemetry.log("GET /caf\u00e9/\u0141\u00f3d\u017a 200")


def test_bytes_that_are_no_utf_8_are_replaced(telemetry: RecordedTelemetry) -> None:
    app = flask.Flask("app")
    instrument_app(app, telemetry)
    app.test_client().get("/%ff%fe")
    assert telemetry.span("GET").attributes["url.path"] == "/\ufffd\ufffd"


@only_lean  # OpenTelemetry's WSGI instrumentor raises ValueError
@pytest.mark.parametrize("port", ["/run/shop.sock", "abc", "", "²", "8000"])
def test_a_port_that_is_no_number_fails_no_request(telemetry: RecordedTelemetry, port: str) -> None:
    """A server on a Unix socket gives its path, and ProxyFix what a client sent."""
    app = make("main")
    instrument_app(app, telemetry)
    response = app.test_client().get("/users/2", environ_overrides={"SERVER_PORT": port})
    assert response.status_code == 200
    (span,) = telemetry.spans
    expected = 8000 if port == "8000" else None
    assert (span.attributes or {}).get(semconv.ATTR_SERVER_PORT) == expected


@only_lean
def test_a_request_that_cannot_be_recorded_is_answered_and_ends(
    telemetry: RecordedTelemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = make("main")
    instrument_app(app, telemetry)

    def fail(*_: Any) -> None:
        raise LookupError("lamp")

    monkeypatch.setattr(middleware, "server_attributes", fail)
    assert app.test_client().get("/users/2").status_code == 200
    assert "a request could not be recorded" in caplog.text
    assert telemetry.value(semconv.HTTP_SERVER_ACTIVE_REQUESTS, http_request_method="GET") == 0
    assert trace.get_current_span() is trace.INVALID_SPAN
