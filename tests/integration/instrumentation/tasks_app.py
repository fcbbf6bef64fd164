"""The Celery app that the tests run as a worker, and through which they send."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

import celery
from celery.exceptions import Reject
from opentelemetry.trace import get_current_span

from observability.instrumentation.celery import instrument_worker, mark_retried
from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import Telemetry, start_telemetry

TASKS = ("succeed", "fail", "fail_twice", "give_up", "reject", "come_later", "sleep", "die", "hang")
log = logging.getLogger("tasks_app")
app = celery.Celery("tests", broker=os.environ.get("TEST_BROKER", "redis://127.0.0.1:1/0"))
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_default_queue="orders",
    broker_connection_retry_on_startup=True,
)


class LoggingTask(celery.Task):
    def on_failure(self, *_: Any) -> None:
        log.error("gave up")


@app.task(name="succeed")
def succeed() -> None:
    log.info("inside")


@app.task(name="fail", base=LoggingTask)
def fail() -> None:
    raise KeyError("fails on purpose")


@app.task(name="fail_twice", bind=True, max_retries=5)
def fail_twice(self: Any) -> None:
    if self.request.retries < 2:
        raise self.retry(exc=ValueError("not yet"), countdown=0.3)


@app.task(name="give_up", bind=True, max_retries=1)
def give_up(self: Any) -> None:
    raise self.retry(exc=ValueError("never"), countdown=0)


@app.task(name="reject")
def reject() -> None:
    raise Reject("not wanted", requeue=False)


@app.task(name="come_later")
def come_later() -> None:
    mark_retried(ConnectionError("the provider is down"))


@app.task(name="sleep")
def sleep(seconds: float) -> None:
    time.sleep(seconds)


@app.task(name="die")
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="hang", time_limit=1)
def hang() -> None:
    time.sleep(60)


def start() -> Telemetry:
    return start_telemetry(TelemetrySettings.from_env(), service_name="worker")


def note_start(telemetry: Telemetry) -> None:
    with telemetry.tracer.start_as_current_span("process start"):
        valid = get_current_span().get_span_context().is_valid
        log.info("this process runs tasks", extra={"pid": os.getpid(), "valid": valid})


def probes() -> list[DependencyProbes]:
    """Two dependencies, for the process that is scraped."""
    return [DependencyProbes({"quick": lambda: None, "slow": lambda: time.sleep(0.05)})]


if "TEST_METRICS_PORT" in os.environ:
    instrument_worker(
        app,
        start=start,
        settings=TelemetrySettings.from_env(),
        task_queues=dict.fromkeys(TASKS, "orders"),
        metrics_port=int(os.environ["TEST_METRICS_PORT"]),
        error_types=("KeyError",),
        on_process_start=note_start,
        collectors=probes if os.environ.get("TEST_PROBES") else tuple,
    )
