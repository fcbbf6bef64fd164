"""The telemetry of a request: one span, one observation, one line, whatever the client sends."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import flask
import flask.views
import pytest
from opentelemetry.trace import get_current_span

from observability.instrumentation import semconv
from observability.instrumentation.flask import instrument_app
from observability.instrumentation.testing import RecordedTelemetry, recorded_telemetry
from tests.recorded import only_lean

DURATION = semconv.HTTP_SERVER_REQUEST_DURATION
log = logging.getLogger("views")


def make_app(telemetry: RecordedTelemetry) -> flask.Flask:  # noqa: C901 - a view per case
    app = flask.Flask("app")
    blueprint = flask.Blueprint("api", "api")

    @blueprint.get("/orders/<order_id>")
    def read_order(order_id: str) -> str:
        log.info("in view")
        return order_id

    @blueprint.post("/orders")
    def create_order() -> tuple[str, int]:
        return "made", 201

    @blueprint.get("/fail")
    def fail() -> str:
        raise LookupError("no order")

    @blueprint.get("/abort/<int:code>")
    def abort(code: int) -> str:
        flask.abort(code)

    @blueprint.get("/handled")
    def handled() -> str:
        raise PermissionError

    @blueprint.get("/stream")
    def stream() -> flask.Response:
        def body() -> Iterator[str]:
            log.info("in stream")
            yield "a"
            yield "b"

        return flask.Response(body())

    @blueprint.get("/broken-stream")
    def broken_stream() -> flask.Response:
        def body() -> Iterator[str]:
            yield "a"
            raise OSError("disk")

        return flask.Response(body())

    @blueprint.get("/livez")
    def livez() -> str:
        return str(get_current_span().get_span_context().is_valid)

    @app.errorhandler(PermissionError)
    def refuse(_: PermissionError) -> tuple[dict[str, str], int]:
        log.info("in error handler")
        return {"error": "refused"}, 503

    @app.teardown_request
    def teardown(_: BaseException | None) -> None:
        log.debug("in teardown")

    app.register_blueprint(blueprint, url_prefix="/v1")
    codes = {"create_order": [201, 200]}
    instrument_app(app, telemetry, exclude=["/v1/livez"], success_codes=codes)
    return app


@pytest.fixture
def client(telemetry: RecordedTelemetry) -> flask.testing.FlaskClient:
    return make_app(telemetry).test_client()


def observed(telemetry: RecordedTelemetry, method: str, route: str, status: int) -> float:
    return telemetry.value(
        DURATION,
        http_request_method=method,
        http_route=route,
        http_response_status_code=str(status),
    )


def test_a_request_is_one_span_one_observation_and_one_line(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    assert client.get("/v1/orders/7").status_code == 200
    span = telemetry.span("GET /v1/orders/<order_id>")
    assert span.kind.name == "SERVER"
    assert span.attributes["http.route"] == "/v1/orders/<order_id>"
    assert span.attributes["url.path"] == "/v1/orders/7"
    assert observed(telemetry, "GET", "/v1/orders/<order_id>", 200) == 1
    line = telemetry.log("GET /v1/orders/7 200")
    assert line.trace_id == f"{span.context.trace_id:032x}"
    assert line.attributes["http.route"] == "/v1/orders/<order_id>"


def test_a_clients_trace_is_continued_and_an_invalid_one_replaced(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.get("/v1/orders/1", headers={"traceparent": good, "tracestate": "a=b"})
    for bad in ("", "nonsense", good + "-01", good.replace("00-", "ff-", 1), "00-" + "0" * 32):
        client.get("/v1/orders/1", headers={"traceparent": bad})
    first, *others = telemetry.spans
    assert first.parent.span_id == 0xB7AD6B7169203331
    assert first.context.trace_state.to_header() == "a=b"
    assert all(span.parent is None for span in others)


def test_failures_of_every_kind_are_counted_once_each(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    for _ in range(10):
        assert client.get("/v1/fail").status_code == 500
        assert client.get("/v1/abort/500").status_code == 500
        assert client.get("/v1/handled").status_code == 503
        assert client.get("/v1/abort/503").status_code == 503
    assert observed(telemetry, "GET", "/v1/fail", 500) == 10
    assert observed(telemetry, "GET", "/v1/abort/<int:code>", 500) == 10
    assert observed(telemetry, "GET", "/v1/handled", 503) == 10
    assert observed(telemetry, "GET", "/v1/abort/<int:code>", 503) == 10
    assert len(telemetry.spans) == 40
    assert {span.status.status_code.name for span in telemetry.spans} == {"ERROR"}


def test_an_unhandled_exception_is_recorded_in_the_span(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    client.get("/v1/fail")
    span = telemetry.span("GET /v1/fail")
    assert span.attributes["error.type"] == "LookupError"
    assert span.events[0].attributes["exception.message"] == "no order"


def test_an_exception_that_reaches_the_server_is_counted(telemetry: RecordedTelemetry) -> None:
    app = make_app(telemetry)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError):
        app.test_client().get("/v1/fail")
    assert observed(telemetry, "GET", "/v1/fail", 500) == 1


def test_a_client_error_is_not_a_failure(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    client.get("/v1/abort/404")
    assert telemetry.span("GET /v1/abort/<int:code>").status.status_code.name == "UNSET"


@only_lean
def test_a_stream_ends_when_its_last_byte_is_read(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    answer = client.get("/v1/stream", buffered=False)
    assert telemetry.spans == []
    assert answer.get_data() == b"ab"
    answer.close()
    assert observed(telemetry, "GET", "/v1/stream", 200) == 1
    active = semconv.HTTP_SERVER_ACTIVE_REQUESTS
    assert telemetry.value(active, http_request_method="GET") == 0


@only_lean
def test_a_stream_that_breaks_is_a_failure(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    with pytest.raises(OSError, match="disk"):
        client.get("/v1/broken-stream").get_data()
    assert telemetry.span("GET /v1/broken-stream").attributes["error.type"] == "OSError"
    assert observed(telemetry, "GET", "/v1/broken-stream", 500) == 1


def test_lines_in_view_handler_and_teardown_carry_the_trace(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    client.get("/v1/orders/1")
    client.get("/v1/handled")
    assert telemetry.log("in view").trace_id == f"{telemetry.spans[0].context.trace_id:032x}"
    handled = f"{telemetry.spans[1].context.trace_id:032x}"
    assert telemetry.log("in error handler").trace_id == handled
    assert handled in {line.trace_id for line in telemetry.logs if line.body == "in teardown"}


def test_excluded_paths_leave_no_telemetry(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    assert client.get("/v1/livez").text == "False"
    assert client.get("/v1/livez?x=1").text == "False"
    assert telemetry.spans == []
    assert telemetry.logs == []
    with pytest.raises(AssertionError, match="no series"):
        observed(telemetry, "GET", "/v1/livez", 200)


def test_a_path_that_ends_like_an_excluded_one_is_counted(telemetry: RecordedTelemetry) -> None:
    app = flask.Flask("app")
    app.get("/api/reports/metrics")(lambda: "figures")
    instrument_app(app, telemetry)
    app.test_client().get("/api/reports/metrics")
    assert observed(telemetry, "GET", "/api/reports/metrics", 200) == 1


def test_known_label_sets_exist_at_0(telemetry: RecordedTelemetry) -> None:
    make_app(telemetry)
    for code in (200, 201, 500, 503):
        assert observed(telemetry, "POST", "/v1/orders", code) == 0
    assert observed(telemetry, "GET", "/v1/orders/<order_id>", 200) == 0
    assert observed(telemetry, "GET", semconv.OTHER, 404) == 0


def at_0(telemetry: RecordedTelemetry) -> set[tuple[str, str, str]]:
    """Return method, route and code of every series of requests."""
    name = semconv.HTTP_SERVER_REQUEST_DURATION.name
    samples = [
        sample.labels
        for family in telemetry.metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"{name}_count"
    ]
    keys = ("http_request_method", "http_route", "http_response_status_code")
    return {tuple(labels[key] for key in keys) for labels in samples}  # type: ignore[misc]


def test_series_at_0_are_bounded_with_one_warning(engine: str) -> None:
    with recorded_telemetry(engine=engine, zero_series=100) as telemetry:
        app = flask.Flask("app")
        for number in range(400):
            app.add_url_rule(f"/r{number}", endpoint=f"r{number}", view_func=lambda: "hello")
        instrument_app(app, telemetry)
        assert len(at_0(telemetry)) == 100
        # The successes come first.
        assert {code for _, _, code in at_0(telemetry)} == {"200", "404"}
        (warning,) = [line for line in telemetry.logs if "TELEMETRY_ZERO_SERIES" in line.body]
        assert warning.body.startswith("1101 label sets")

        app.test_client().get("/r399")
        assert observed(telemetry, "GET", "/r399", 200) == 1


def test_a_form_is_expected_to_answer_with_200_201_or_302(telemetry: RecordedTelemetry) -> None:
    class Resource(flask.views.MethodView):
        def get(self) -> str:
            return "one"

        def post(self) -> str:
            return "made"

    app = flask.Flask("app")
    app.add_url_rule("/form", methods=["GET", "POST"], endpoint="form", view_func=lambda: "form")
    app.add_url_rule("/things", view_func=Resource.as_view("things"))
    instrument_app(app, telemetry)
    found = {(route, code) for method, route, code in at_0(telemetry) if method == "POST"}
    failures = {(route, code) for route in ("/form", "/things") for code in ("500", "503")}
    codes = {("/form", "200"), ("/form", "201"), ("/form", "302"), ("/things", "201")}
    assert found == codes | failures


def test_a_success_code_that_one_route_sends_is_expected_of_the_others(
    telemetry: RecordedTelemetry,
) -> None:
    app = flask.Flask("app")
    for name in ("a", "b", "given"):
        app.add_url_rule(
            f"/{name}", methods=["POST"], endpoint=name, view_func=lambda: flask.redirect("/")
        )
    app.add_url_rule("/page", endpoint="page", view_func=lambda: flask.redirect("/"))
    app.add_url_rule("/other", endpoint="other", view_func=lambda: "hello")
    instrument_app(app, telemetry, success_codes={"given": [201]})
    assert ("POST", "/b", "302") not in at_0(telemetry)
    client = app.test_client()
    client.post("/a")
    client.get("/page")
    assert observed(telemetry, "POST", "/a", 302) == 1
    assert observed(telemetry, "POST", "/b", 302) == 0
    assert ("POST", "/given", "302") not in at_0(telemetry)
    assert ("GET", "/other", "302") not in at_0(telemetry)


def test_hostile_clients_make_no_new_series_and_no_new_span_names(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    def series() -> set[str]:
        return {
            f"{sample.name}{sorted(sample.labels.items())}"
            for family in telemetry.metrics.registry.collect()
            for sample in family.samples
        }

    def attack(round_: int) -> None:
        for number in range(100):
            odd = f"{round_}-{number}"
            client.get(f"/v1/orders/{odd}", headers={"User-Agent": odd, "Host": f"h{odd}"})
            client.get(f"/nowhere/{odd}?q={odd}")
            client.open("/v1/orders/1", method=f"M{odd}")
            client.open("/v1/orders", method=f"M{odd}")
            client.get("/v1/orders/1", headers={"traceparent": odd, "tracestate": odd})

    attack(0)
    before, names = series(), {span.name for span in telemetry.spans}
    attack(1)
    assert series() == before
    assert {span.name for span in telemetry.spans} == names
    assert names == {"GET /v1/orders/<order_id>", "GET", "HTTP"}


def test_a_factory_may_run_twice_in_one_process(telemetry: RecordedTelemetry) -> None:
    make_app(telemetry).test_client().get("/v1/orders/1")
    second = make_app(telemetry)
    instrument_app(second, telemetry)
    second.test_client().get("/v1/orders/1")
    assert len(telemetry.spans) == 2
    assert observed(telemetry, "GET", "/v1/orders/<order_id>", 200) == 2


def test_a_watched_trace_is_exported_when_it_fails_or_is_slow(engine: str) -> None:
    settings = {"sampler": "parentbased_traceidratio", "sampler_ratio": 0.0}
    with recorded_telemetry(engine=engine, **settings) as telemetry:
        client = make_app(telemetry).test_client()
        client.get("/v1/orders/1")
        assert telemetry.spans == []
        client.get("/v1/fail")
        assert telemetry.span("GET /v1/fail").attributes["telemetry.kept_because"] == "error"
        ended = semconv.TELEMETRY_SPANS_ENDED
        assert telemetry.value(ended, sampled="true") == 1
        assert telemetry.value(ended, sampled="false") == 1
    with recorded_telemetry(engine=engine, **settings, slow_seconds=0.0) as telemetry:
        make_app(telemetry).test_client().get("/v1/orders/1")
        span = telemetry.span("GET /v1/orders/<order_id>")
        assert span.attributes["telemetry.kept_because"] == "slow"
        assert span.attributes["url.path"] == "/v1/orders/1"


def test_exemplars_name_only_traces_that_are_exported(engine: str) -> None:
    def exemplars(telemetry: RecordedTelemetry) -> list[str]:
        return [
            sample.exemplar.labels["trace_id"]
            for family in telemetry.metrics.registry.collect()
            for sample in family.samples
            if sample.exemplar
        ]

    for ratio, expected in ((1.0, 1), (0.0, 0)):
        settings = {"sampler": "parentbased_traceidratio", "sampler_ratio": ratio}
        with recorded_telemetry(engine=engine, **settings) as telemetry:
            make_app(telemetry).test_client().get("/v1/orders/1")
            found = exemplars(telemetry)
            assert len(found) == expected
            assert found == [f"{span.context.trace_id:032x}" for span in telemetry.spans]


def test_the_json_of_an_access_line_is_small_and_flat(
    client: flask.testing.FlaskClient, telemetry: RecordedTelemetry
) -> None:
    client.get("/v1/orders/" + "x" * 5000)
    (line,) = [line for line in telemetry.logs if line.logger == "access"]
    assert len(json.dumps(line.attributes)) < 1000
