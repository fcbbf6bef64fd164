"""A thousand processes that were killed; children that are replaced while the receiver hangs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import celery
import pytest

from observability.instrumentation import semconv
from observability.instrumentation._export.receiver import FRESH_SECONDS, Receiver
from observability.instrumentation._multiprocess.collector import FamilyCollector
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import Telemetry
from tests.integration.instrumentation.conftest import Worker, both_engines, total
from tests.unit.instrumentation.test_multiprocess import values, write
from tools.bench.sink import Sink
from tools.servers import wait_until

TASKS = 30


@pytest.mark.slow
def test_a_scrape_after_a_thousand_recycled_workers_is_quick_exact_and_leaves_no_files(
    tmp_path: Path,
) -> None:
    collector = FamilyCollector(tmp_path)
    for _ in range(4):
        write(tmp_path, 250)
        collector.fold_dead()
    started = time.perf_counter()
    found = values(collector)
    assert time.perf_counter() - started < 0.1
    assert found["cache_requests_total['hit', 'orders']"] == 2000
    assert found["cache_request_duration_seconds_count['orders']"] == 1000
    assert found["cache_request_duration_seconds_bucket['0.025', 'orders']"] == 1000
    assert found["cache_request_duration_seconds_bucket['0.01', 'orders']"] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def silent(sink: Sink) -> Iterator[Sink]:
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
    telemetry._receiver.share(tmp_path)
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
