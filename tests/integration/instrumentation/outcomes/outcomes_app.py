"""The Celery app whose tasks end in every possible way.

Two apps are instrumented in this process, and one of them is run: the other counts nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import celery
from celery import signals
from celery.exceptions import Ignore, Reject

from observability.instrumentation.celery import instrument_worker, mark_retried
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import Telemetry, start_telemetry

QUEUE = "orders"
app = celery.Celery("outcomes", broker=os.environ.get("TEST_BROKER", "redis://127.0.0.1:1/0"))
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_default_queue=QUEUE,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
    worker_pool_start_method=os.environ.get("TEST_START_METHOD", "fork"),
)
other_app = celery.Celery("other", broker="memory://", set_as_current=False)


@app.task(name="succeed")
def succeed() -> None:
    pass


@app.task(name="fail")
def fail() -> None:
    raise KeyError("fails on purpose")


@app.task(name="too_slow", soft_time_limit=1)
def too_slow() -> None:
    time.sleep(60)


@app.task(name="retry_at_once", bind=True, max_retries=5)
def retry_at_once(self: Any) -> None:
    if self.request.retries < 2:
        raise self.retry(exc=ValueError("not yet"), countdown=0)


@app.task(name="give_up", bind=True, max_retries=1)
def give_up(self: Any) -> None:
    raise self.retry(exc=ValueError("never"), countdown=0)


@app.task(name="come_later")
def come_later() -> None:
    mark_retried(ConnectionError("the provider is down"))


@app.task(name="reject")
def reject() -> None:
    raise Reject("not wanted", requeue=False)


@app.task(name="hand_back", bind=True)
def hand_back(self: Any, mark: str) -> None:
    if first_time(mark):
        raise Reject("not now", requeue=True)


@app.task(name="ignore")
def ignore() -> None:
    raise Ignore


@app.task(name="expire")
def expire() -> None:
    pass


@app.task(name="revoke")
def revoke() -> None:
    pass


@app.task(name="overlap")
def overlap(seconds: float) -> None:
    time.sleep(seconds)


@app.task(name="wait_for_end")
def wait_for_end(mark: str) -> None:
    """Run until the attempt is ended from outside."""
    Path(mark).touch()
    time.sleep(60)


@app.task(name="hang", time_limit=1)
def hang() -> None:
    time.sleep(60)


@app.task(name="die")
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="die_once", reject_on_worker_lost=True)
def die_once(mark: str) -> None:
    if first_time(mark):
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="die_when_done")
def die_when_done() -> None:
    """Run until `kill_when_done` ends the process, after the attempt was counted."""


@app.task(name="exit")
def leave() -> None:
    sys.exit(3)


@app.task(name="call_eagerly")
def call_eagerly() -> None:
    for task in (succeed, fail, other_task):
        task.apply()
    succeed.apply_async(expires=-1)


@other_app.task(name="other")
def other_task() -> None:
    mark_retried(ConnectionError("an eager task is no attempt"))


def first_time(mark: str) -> bool:
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def start() -> Telemetry:
    return start_telemetry(TelemetrySettings.from_env(), service_name="worker")


def kill_when_done(sender: Any = None, **_: Any) -> None:
    if sender.name == "die_when_done":
        os.kill(os.getpid(), signal.SIGKILL)


TASKS = [name for name in app.tasks if not name.startswith("celery.")]

if "TEST_METRICS_PORT" in os.environ:
    for one in (app, other_app):
        instrument_worker(
            one,
            start=start,
            settings=TelemetrySettings.from_env(),
            task_queues=dict.fromkeys(TASKS, QUEUE),
            metrics_port=int(os.environ["TEST_METRICS_PORT"]),
            error_types=("KeyError",),
        )
    # After the kit's own receiver, so that the attempt was counted.
    signals.task_postrun.connect(kill_when_done, weak=False)
