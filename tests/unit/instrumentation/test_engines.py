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


SHOP = """
import celery, flask
from observability.instrumentation.celery import instrument_producer
from observability.instrumentation.flask import instrument_app
from observability.instrumentation.logs import configure_logging
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import start_telemetry

settings = TelemetrySettings.from_env()
configure_logging(settings)
telemetry = start_telemetry(settings, service_name="x")
queue = celery.Celery("x", broker="memory://")
app = flask.Flask("x")
app.get("/")(lambda: queue.send_task("pack").id)
for _ in range(2):
    start_telemetry(settings, service_name="x")
    instrument_app(app, telemetry)
    instrument_producer(queue, telemetry)
"""
VISIT = """
app.test_client().get("/")
"""
OWN_PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(provider)
"""
INSTRUMENTED = """
from opentelemetry.instrumentation.flask import FlaskInstrumentor
FlaskInstrumentor().instrument_app(app)
"""


@pytest.mark.parametrize("chosen", ["", "lean", "sdk"])
@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("opentelemetry-instrument", SHOP + VISIT),
        ("", OWN_PROVIDER + SHOP + VISIT),
        ("", OWN_PROVIDER + SHOP + INSTRUMENTED + VISIT),
    ],
    ids=["opentelemetry-instrument", "a provider", "a provider and an instrumentor"],
)
def test_an_existing_provider_gets_one_server_span_and_one_producer_span(
    program: str, code: str, chosen: str
) -> None:
    variables = {
        "PATH": f"{sys.exec_prefix}/bin",
        "PYTHONPATH": str(ROOT),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "TELEMETRY_LOGS_EXPORT": "off",
        "TELEMETRY_ENGINE": chosen,
    }
    command = [f"{sys.exec_prefix}/bin/{program}"] if program else []
    result = subprocess.run(
        [*command, sys.executable, "-c", code],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    output = result.stdout + result.stderr
    assert output.count('"kind": "SpanKind.SERVER"') == 1
    assert output.count('"kind": "SpanKind.PRODUCER"') == 1
    assert "Overriding of current" not in output
    # With `sdk` the app's own call is the second, and says so.
    assert "already instrumented" not in output or INSTRUMENTED in code


def test_an_app_that_is_not_instrumented_has_no_telemetry(telemetry: RecordedTelemetry) -> None:
    flask.Flask("other").test_client().get("/")
    assert telemetry.spans == []
