"""A receiver that accepts connections and never answers: no child of a pool waits for it twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import celery
import pytest

from observability.instrumentation import semconv
from observability.instrumentation._export.receiver import FRESH_SECONDS, Receiver
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import Telemetry
from tests.integration.instrumentation.conftest import Site, Worker, both_engines, total
from tools.bench.sink import Sink
from tools.servers import wait_until

TASKS = 30


@pytest.fixture
def silent(sink: Sink) -> Sink:
    """A receiver that does not answer."""
    release = threading.Event()
    sink.before_answer = lambda: release.wait(120)
    yield sink
    release.set()


@both_engines
@pytest.mark.slow
def test_a_pool_with_a_child_per_task_works_on(
    start_worker: Callable[..., Worker], broker: str, silent: Sink
) -> None:
    worker = start_worker(broker, silent.url, "-c", "2", "--max-tasks-per-child", "1")
    app = celery.Celery("producer", broker=broker, task_ignore_result=True)
    for _ in range(TASKS):
        app.send_task("succeed", queue="orders")

    def succeeded() -> float:
        return total(worker.metrics(), "celery_tasks_total", task="succeed", state="succeeded")

    # Each child waited for 4.5 s: together that was 67 s. It takes about 7 s.
    wait_until(lambda: succeeded() == TASKS, 55)
    dropped = "telemetry_spans_dropped_total"
    wait_until(lambda: total(worker.metrics(), dropped, reason="shutdown") >= TASKS)


@both_engines
@pytest.mark.slow
def test_gunicorns_workers_are_replaced_at_once(
    start_site: Callable[..., Site], silent: Sink
) -> None:
    site = start_site(silent.url, "--workers", "1", "--max-requests", "2")
    started = time.monotonic()
    for number in range(40):
        site.get_persistently(f"/orders/{number}")
    # Each of 20 workers waited for 4.5 s: together that was 90 s. It takes about 10 s.
    assert time.monotonic() - started < 75


def test_an_answer_or_time_ends_the_suspicion(tmp_path: Path) -> None:
    ours, theirs = Receiver(tmp_path), Receiver(tmp_path)
    assert not theirs.hangs()
    ours.note_silence()
    assert theirs.hangs()
    theirs.note_answer()
    assert not ours.hangs()
    ours.note_silence()
    (mark,) = tmp_path.iterdir()
    long_ago = time.time() - FRESH_SECONDS - 1
    os.utime(mark, (long_ago, long_ago))
    assert not ours.hangs()


def test_a_process_on_its_own_has_no_mark() -> None:
    alone = Receiver(None)
    alone.note_silence()
    assert not alone.hangs()


def test_a_process_that_ends_gives_up_when_another_notices(
    engine: str, silent: Sink, tmp_path: Path
) -> None:
    telemetry = Telemetry(
        TelemetrySettings(endpoint=silent.url, engine=engine), {semconv.ATTR_SERVICE_NAME: "test"}
    )
    telemetry._receiver._path = tmp_path / "receiver.hangs"
    telemetry.tracer.start_span("work").end()
    ended = threading.Event()

    def end() -> None:
        telemetry.shutdown(timeout_seconds=60)
        ended.set()

    thread = threading.Thread(target=end)
    thread.start()
    assert not ended.wait(0.3)
    Receiver(tmp_path).note_silence()
    assert ended.wait(20)
    thread.join()
