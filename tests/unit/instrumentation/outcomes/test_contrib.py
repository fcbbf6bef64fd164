"""Attempts of tasks beside contrib's CeleryInstrumentor, which makes the span of each."""

from __future__ import annotations

import json
import subprocess
import sys

from tools.servers import ROOT

ATTEMPT = """
import json
import celery
from celery import signals
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from observability.instrumentation.celery.attempts import AttemptRecorder
from observability.instrumentation.celery.outcomes import Outcomes
from observability.instrumentation.testing import recorded_telemetry

app = celery.Celery("contrib", set_as_current=False)

@app.task(name="pack")
def pack():
    pass

with recorded_telemetry() as telemetry:
    CeleryInstrumentor().instrument(tracer_provider=telemetry.provider, skip_dep_check=True)
    outcomes = Outcomes(app, {"pack": "celery"}, ())
    recorder = AttemptRecorder(lambda: telemetry, {"pack": "celery"}, outcomes)
    signals.task_prerun.connect(recorder.on_start, weak=False)
    signals.task_postrun.connect(recorder.on_end, weak=False)
    pack.push_request(id="1", delivery_info={"routing_key": "celery"}, is_eager=False)
    attempt = {"sender": pack, "task": pack, "task_id": "1"}
    signals.task_prerun.send(**attempt)
    signals.task_postrun.send(**attempt, state="FAILURE", retval=KeyError("x"))
    labels = {"queue": "celery", "task": "pack", "state": "failed"}
    failed = telemetry.metrics.registry.get_sample_value("celery_tasks_total", labels)
    print(json.dumps([[span.name for span in telemetry.spans], failed]))
"""


def test_the_span_of_contribs_instrumentor_is_the_only_one_and_the_attempt_is_counted() -> None:
    # A process of its own: the first instrumentor decides for all which conventions they follow.
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPT], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["run/pack"], 1]
    # OpenTelemetry warns of what is done to a span that has ended.
    assert done.stderr == ""
