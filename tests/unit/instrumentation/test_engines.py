"""Both engines make the same spans, but for the listed differences."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import flask
import pytest

from observability.instrumentation.testing import RecordedTelemetry, recorded_telemetry
from tests.unit.instrumentation.differences import DIFFERENCES, Difference
from tests.unit.instrumentation.test_flask import make_app
from tools.servers import ROOT

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/v1/orders/7", {}),
    ("GET", "/v1/orders/7?expand=items", {}),
    ("POST", "/v1/orders", {"json": {"a": 1}}),
    ("HEAD", "/v1/orders/7", {}),
    ("OPTIONS", "/v1/orders", {}),
    ("DELETE", "/v1/orders", {}),
    ("GET", "/nowhere", {}),
    ("GET", "/v1/abort/404", {}),
    ("GET", "/v1/abort/500", {}),
    ("GET", "/v1/handled", {}),
    ("BREW", "/v1/orders/7", {}),
    ("GET", "/v1/orders/7", {"headers": {"User-Agent": "test", "Host": "shop.example:8000"}}),
    (
        "GET",
        "/v1/orders/7",
        {"headers": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
    ),
]
# gunicorn sets these; the test client does not.
ENVIRON = {"REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "51234", "RAW_URI": "/raw"}


def recorded(engine: str) -> list[dict[str, Any]]:
    with recorded_telemetry(engine=engine) as telemetry:
        client = make_app(telemetry).test_client()
        for method, path, options in REQUESTS:
            client.open(path, method=method, environ_base=ENVIRON, **options)
        return [describe(span) for span in telemetry.spans]


def describe(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": span.kind.name,
        "status": span.status.status_code.name,
        "parent": span.parent.span_id if span.parent else None,
        "attributes": dict(sorted(span.attributes.items())),
    }


def test_both_engines_record_the_same_spans() -> None:
    lean, sdk = recorded("lean"), recorded("sdk")
    assert len(lean) == len(sdk) == len(REQUESTS)
    for ours, theirs in zip(lean, sdk, strict=True):
        assert ours == theirs


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.observe.__name__)
def test_what_may_differ_does_differ_on_both_sides(
    telemetry: RecordedTelemetry, engine: str, row: Difference
) -> None:
    assert row.lean != row.sdk
    assert row.observe(telemetry) == getattr(row, engine)


def test_the_document_lists_every_difference_with_its_link() -> None:
    page = (ROOT / "docs/decisions/0002-own-span-engine.md").read_text()
    listed = [line for line in page.splitlines() if line.startswith("| ") and "http" in line]
    assert len(listed) == len(DIFFERENCES)
    for row, line in zip(DIFFERENCES, listed, strict=True):
        assert row.what in line
        assert row.upstream in line


def test_a_request_is_one_span_one_observation_and_one_line(telemetry: RecordedTelemetry) -> None:
    client = make_app(telemetry).test_client()
    answer = client.get("/v1/orders/7")
    client.get("/v1/livez")
    (span,) = telemetry.spans
    trace_id = f"{span.context.trace_id:032x}"
    assert answer.headers["traceresponse"].split("-")[1] == trace_id
    assert telemetry.log("GET /v1/orders/7 200").trace_id == trace_id
    assert telemetry.log("in view").trace_id == trace_id


def test_opentelemetry_instrument_adds_no_second_server_span() -> None:
    code = (
        "import flask\n"
        "from observability.instrumentation.logs import configure_logging\n"
        "from observability.instrumentation.flask import instrument_app\n"
        "from observability.instrumentation.settings import TelemetrySettings\n"
        "from observability.instrumentation.telemetry import start_telemetry\n"
        "settings = TelemetrySettings.from_env()\n"
        "configure_logging(settings)\n"
        "telemetry = start_telemetry(settings, service_name='x')\n"
        "app = flask.Flask('x')\n"
        "app.get('/')(lambda: 'hello')\n"
        "instrument_app(app, telemetry)\n"
        "start_telemetry(settings, service_name='x')\n"
        "instrument_app(app, telemetry)\n"
        "app.test_client().get('/')\n"
    )
    variables = {
        "PATH": f"{sys.exec_prefix}/bin",
        "PYTHONPATH": str(ROOT),
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "TELEMETRY_LOGS_EXPORT": "off",
    }
    command = [f"{sys.exec_prefix}/bin/opentelemetry-instrument", sys.executable, "-c", code]
    result = subprocess.run(
        command, env=variables, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    output = result.stdout + result.stderr
    assert output.count('"kind": "SpanKind.SERVER"') == 1
    for complaint in ("Overriding of current", "already instrumented"):
        assert complaint not in output


def test_an_app_that_is_not_instrumented_has_no_telemetry(telemetry: RecordedTelemetry) -> None:
    flask.Flask("other").test_client().get("/")
    assert telemetry.spans == []
