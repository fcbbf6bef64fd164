"""Tasks that are called eagerly: part of the trace of the request that calls them, no messages."""

from __future__ import annotations

from collections.abc import Iterator

import celery
import flask
import pytest
from celery import signals
from opentelemetry.trace import get_current_span

from observability.instrumentation.celery import instrument_producer, mark_retried
from observability.instrumentation.celery.attempts import AttemptRecorder
from observability.instrumentation.celery.outcomes import Outcomes
from observability.instrumentation.flask import instrument_app
from observability.instrumentation.testing import RecordedTelemetry

TASK = "count_words"


@pytest.fixture
def app(telemetry: RecordedTelemetry) -> Iterator[celery.Celery]:
    """An app whose process instruments producer and worker, as Flask's pattern for Celery does."""
    with celery.Celery("eager", broker="memory://localhost", set_as_current=False) as made:
        outcomes = Outcomes(made, {TASK: "celery"}, ())
        recorder = AttemptRecorder(lambda: telemetry, {TASK: "celery"}, outcomes)
        recorder.prepare()
        instrument_producer(made, telemetry)
        signals.task_prerun.connect(recorder.on_start, weak=False)
        signals.task_postrun.connect(recorder.on_end, weak=False)
        yield made
        signals.task_prerun.disconnect(recorder.on_start)
        signals.task_postrun.disconnect(recorder.on_end)


@pytest.mark.parametrize("call", ["apply", "delay"])
def test_an_eager_task_in_a_request_is_part_of_its_trace(
    app: celery.Celery, telemetry: RecordedTelemetry, call: str
) -> None:
    app.conf.task_always_eager = True
    inside = []

    @app.task(name=TASK, shared=False)
    def count_words() -> None:
        inside.append(get_current_span().get_span_context().span_id)
        mark_retried(ConnectionError("there is no attempt"))

    site = flask.Flask("site")

    @site.get("/")
    def index() -> str:
        getattr(count_words, call)()
        return ""

    instrument_app(site, telemetry)
    site.test_client().get("/")
    (server,) = telemetry.spans
    assert server.kind.name == "SERVER"
    assert inside == [server.context.span_id]
    assert not counted(telemetry)


def counted(telemetry: RecordedTelemetry) -> dict[str, float]:
    """Return the series of tasks that are not 0."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in telemetry.metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("celery_task") and not sample.name.endswith("_created")
        if sample.value
    }
