"""Workers that a test runs in its own process, as `celery.contrib.testing` does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tools.servers import ROOT

EMBEDDED = "from celery.contrib.testing.worker import TestWorkController as Worker"
PROGRAM = "from celery.apps.worker import Worker"
START = """
from celery import Celery
from observability.instrumentation import telemetry
from observability.instrumentation.celery import instrument_celery
app = Celery("shop", broker="memory://localhost")
instrument_celery(app, "shop-worker")
Worker(app=app, pool="solo")
is_traced = hasattr(app.amqp.send_task_message, "__wrapped__")
print(telemetry.running_telemetry().service_name, is_traced)
"""


@pytest.mark.parametrize(
    ("worker", "code", "text"),
    [
        (EMBEDDED, 0, "metrics of this worker are not served"),
        (PROGRAM, 2, "does not start without its metrics"),
    ],
    ids=["embedded", "program"],
)
def test_only_a_worker_that_is_a_program_ends_if_its_metrics_port_is_taken(
    worker: str, code: int, text: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", worker + START],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "OTEL_EXPORTER_PROMETHEUS_PORT": port,
                "OTEL_TRACES_EXPORTER": "none",
                "TELEMETRY_LOGS_EXPORT": "off",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert f"{text} on port {port}" in output
    # Its tasks are traced all the same, and what they send.
    assert ("shop-worker True" in output) is (code == 0), output
    assert ("set OTEL_EXPORTER_PROMETHEUS_PORT" in output) is (code == 0), output
