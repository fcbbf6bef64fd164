"""A real worker and a real Redis: traces across the queue, and every kind of outcome."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import celery
import pytest
import redis

from observability.instrumentation import semconv
from observability.instrumentation.celery import instrument_producer
from observability.instrumentation.celery.attempts import queue_wait_seconds
from observability.instrumentation.propagation import TraceContext
from observability.instrumentation.testing import RecordedTelemetry
from tests.integration.instrumentation.conftest import (
    OPENMETRICS,
    GrpcReceiver,
    Worker,
    both_engines,
    samples,
    total,
)
from tools.bench.sink import Sink
from tools.servers import free_port, wait_until

StartWorker = Callable[..., Worker]
LOADED_GRPC = "cygrpc"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def producer(broker: str, telemetry: RecordedTelemetry) -> celery.Celery:
    app = celery.Celery("producer", broker=broker, set_as_current=False)
    app.conf.update(task_default_queue="orders", task_ignore_result=True)
    instrument_producer(app, telemetry)
    instrument_producer(app, telemetry)
    yield app
    app.close()


def attempts(sink: Sink, task: str) -> list[Any]:
    return [span for span in sink.spans if attribute(span, "celery.task.name") == task]


def attribute(span: Any, key: str) -> Any:
    for pair in span.attributes:
        if pair.key == key:
            return getattr(pair.value, pair.value.WhichOneof("value"))
    return None


def outcomes(worker: Worker, task: str) -> dict[str, float]:
    text = worker.metrics()
    return {
        state: count
        for state in semconv.TASK_STATES
        if (count := total(text, "celery_tasks_total", task=task, state=state))
    }


def test_a_message_carries_its_trace_and_the_time_it_was_sent(
    producer: celery.Celery, broker: str, telemetry: RecordedTelemetry
) -> None:
    with TraceContext(PARENT).as_parent():
        producer.send_task("succeed")
    span = telemetry.span("send orders")
    assert span.kind.name == "PRODUCER"
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    with redis.Redis.from_url(broker) as client:
        headers = json.loads(client.lindex("orders", 0))["headers"]
    trace_id, span_id = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
    assert headers["traceparent"] == f"00-{trace_id}-{span_id}-01"
    assert trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert abs(headers["enqueued_at"] - time.time()) < 30


def test_a_stored_context_survives_the_table_it_was_stored_in(telemetry: RecordedTelemetry) -> None:
    with telemetry.tracer.start_as_current_span("request") as span:
        stored = TraceContext.current()
    with stored.as_parent(), telemetry.tracer.start_as_current_span("later"):
        pass
    assert telemetry.span("later").parent.span_id == span.get_span_context().span_id
    assert TraceContext.current() == TraceContext(None, None)


def test_a_broker_that_is_down_is_an_error_in_the_producers_span(
    telemetry: RecordedTelemetry,
) -> None:
    app = celery.Celery(broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False)
    app.conf.update(task_publish_retry=False, task_default_queue="orders", task_ignore_result=True)
    instrument_producer(app, telemetry)
    with pytest.raises(Exception, match="refused"):
        app.send_task("succeed")
    span = telemetry.span("send orders")
    assert span.status.status_code.name == "ERROR"
    app.close()


@both_engines
def test_one_trace_leads_from_the_producer_into_the_task_and_its_lines(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "2")
    with TraceContext(PARENT).as_parent():
        producer.send_task("succeed", headers={"attempt": 3})
    wait_until(lambda: attempts(sink, "succeed"))
    (span,) = attempts(sink, "succeed")
    assert span.name == "process orders"
    assert span.kind == 5
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert attribute(span, "celery.task.attempt") == 3
    assert attribute(span, "messaging.destination.name") == "orders"
    assert outcomes(worker, "succeed") == {"succeeded": 1}
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    inside = next(line for line in lines if line["body"] == "inside")
    assert inside["trace_id"] == span.trace_id.hex()


def test_every_attempt_is_a_span_of_its_own_in_one_trace(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "1")
    with TraceContext(PARENT).as_parent():
        producer.send_task("fail_twice")
        producer.send_task("give_up")
    wait_until(lambda: len(attempts(sink, "fail_twice")) == 5)
    wait_until(lambda: len([s for s in attempts(sink, "give_up") if s.kind == 5]) == 2)
    runs = [span for span in attempts(sink, "fail_twice") if span.kind == 5]
    assert [attribute(span, "celery.task.attempt") for span in runs] == [1, 2, 3]
    assert {span.trace_id.hex() for span in runs} == {"0af7651916cd43dd8448eb211c80319c"}
    assert [span.status.code for span in runs] == [2, 2, 0]
    assert outcomes(worker, "fail_twice") == {"retried": 2, "succeeded": 1}
    last = [span for span in attempts(sink, "give_up") if span.kind == 5][-1]
    assert last.status.code == 2
    assert last.events[0].name == "exception"
    assert outcomes(worker, "give_up") == {"retried": 1, "failed": 1}
    text = worker.metrics()
    # Two back-offs of 0.3 s lie between the attempts; no attempt waited for one.
    waited = total(text, "celery_task_queue_wait_seconds_sum", task="fail_twice")
    ran = total(text, "celery_task_queue_wait_seconds_count", task="fail_twice")
    assert ran == 3
    assert waited < 5


def test_attempts_are_counted_by_outcome_and_error_class(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "1")
    exposed = samples(worker.metrics())
    key = 'celery_task_errors_total{error_type="KeyError",queue="orders",task="fail"}'
    assert exposed[key] == 0
    assert exposed['celery_tasks_total{queue="orders",state="rejected",task="reject"}'] == 0
    for task in ("fail", "reject", "come_later"):
        producer.send_task(task)
    wait_until(lambda: outcomes(worker, "come_later"))
    assert outcomes(worker, "fail") == {"failed": 1}
    assert outcomes(worker, "reject") == {"rejected": 1}
    assert outcomes(worker, "come_later") == {"retried": 1}
    exposed = samples(worker.metrics())
    assert exposed[key] == 1
    later = (
        'celery_task_errors_total{error_type="ConnectionError",queue="orders",task="come_later"}'
    )
    assert exposed[later] == 1
    (failed,) = wait_until(lambda: attempts(sink, "fail"))
    assert failed.status.code == 2
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    given_up = next(line for line in lines if line["body"] == "gave up")
    assert given_up["trace_id"] == failed.trace_id.hex()


def test_the_cause_of_a_killed_child_is_counted(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "1")
    producer.send_task("hang")
    wait_until(lambda: outcomes(worker, "hang"), 60)
    producer.send_task("die")
    wait_until(lambda: outcomes(worker, "die"), 60)
    producer.send_task("succeed")
    wait_until(lambda: outcomes(worker, "succeed"), 60)
    assert outcomes(worker, "hang") == {"failed": 1}
    assert outcomes(worker, "die") == {"lost": 1}
    text = worker.metrics()
    name = "celery_task_errors_total"
    assert total(text, name, task="hang", error_type="TimeLimitExceeded") == 1
    assert total(text, name, task="die", error_type="WorkerLostError") == 1


def test_a_message_of_another_producer_runs_in_a_trace_of_its_own(
    broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "1")
    with celery.Celery(broker=broker, set_as_current=False) as other:
        other.send_task("succeed", queue="orders", ignore_result=True)
    wait_until(lambda: attempts(sink, "succeed"))
    (span,) = attempts(sink, "succeed")
    assert not span.parent_span_id
    assert outcomes(worker, "succeed") == {"succeeded": 1}
    assert total(worker.metrics(), "celery_task_queue_wait_seconds_count", task="succeed") == 0
    assert "detach" not in worker.log.read_text()


@both_engines
@pytest.mark.slow
def test_fifty_tasks_make_fifty_spans_although_a_child_does_only_one(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "4", "--max-tasks-per-child=1")
    for _ in range(50):
        producer.send_task("succeed")
    wait_until(lambda: outcomes(worker, "succeed") == {"succeeded": 50}, 90)
    assert {json.dumps(outcomes(worker, "succeed")) for _ in range(5)} == {'{"succeeded": 50.0}'}
    wait_until(lambda: len([s for s in attempts(sink, "succeed") if s.kind == 5]) == 50)
    wait_until(lambda: len(list(worker.metrics_folder.iterdir())) < 40, 30)
    exposed = worker.metrics(OPENMETRICS)
    assert "trace_id" in exposed
    assert 'pid="' not in exposed
    assert worker.stop() == 0
    assert len([span for span in attempts(sink, "succeed") if span.kind == 5]) == 50


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_other_pools_make_the_same_spans(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink, pool: str
) -> None:
    worker = start_worker(broker, sink.url, "-P", pool)
    producer.send_task("succeed")
    wait_until(lambda: attempts(sink, "succeed"))
    assert outcomes(worker, "succeed") == {"succeeded": 1}
    assert worker.log.read_text().count("this process runs tasks") == 1


def test_children_are_counted_and_each_has_telemetry_of_its_own(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "3")
    wait_until(lambda: samples(worker.metrics())['celery_worker_children{state="idle"}'] == 3)
    producer.send_task("sleep", (3,))
    wait_until(lambda: samples(worker.metrics())['celery_worker_children{state="busy"}'] == 1)
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    starts = [line for line in lines if line["body"] == "this process runs tasks"]
    assert len({line["pid"] for line in starts}) == 3
    assert all(line["valid"] for line in starts)


def test_a_worker_logs_only_json_from_start_to_warm_shutdown(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "1")
    producer.send_task("fail")
    wait_until(lambda: outcomes(worker, "fail"))
    assert worker.stop() == 0
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert any("Warm shutdown" in line["body"] for line in lines)
    assert any(line.get("exception.type") == "KeyError" for line in lines)
    assert not any("data" in line for line in lines)


@both_engines
@pytest.mark.slow
def test_a_worker_stops_in_time_while_the_receiver_hangs(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    sink.before_answer = lambda: time.sleep(60)
    worker = start_worker(broker, sink.url, "-c", "2")
    for _ in range(5):
        producer.send_task("succeed")
    wait_until(lambda: outcomes(worker, "succeed") == {"succeeded": 5})
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("wrong", ["folder unset", "folder is a file", "port taken"])
def test_a_worker_that_cannot_serve_its_metrics_does_not_start(
    broker: str, start_worker: StartWorker, sink: Sink, tmp_path: Path, wrong: str
) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = {
            "folder unset": {"PROMETHEUS_MULTIPROC_DIR": ""},
            "folder is a file": {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "file")},
            "port taken": {"TEST_METRICS_PORT": str(taken.getsockname()[1])},
        }[wrong]
        worker = start_worker(broker, sink.url, "-c", "1", expect_ready=False, **variables)
        assert worker.wait(40) == 2
    assert "the worker does not start without its metrics" in worker.log.read_text()


def test_two_workers_do_not_share_a_metrics_folder(
    broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    first = start_worker(broker, sink.url, "-c", "1")
    folder = {"PROMETHEUS_MULTIPROC_DIR": str(first.metrics_folder)}
    second = start_worker(broker, sink.url, "-c", "1", expect_ready=False, **folder)
    assert second.wait(40) == 2
    assert first.metrics()


@pytest.mark.slow
def test_grpc_exports_what_children_do_after_one_was_killed(
    start_worker: StartWorker, broker: str, grpc_receiver: GrpcReceiver
) -> None:
    worker = start_worker(broker, grpc_receiver.url, "-c", "2", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    app = celery.Celery("producer", broker=broker, task_ignore_result=True)
    app.send_task("die", queue="orders")
    wait_until(lambda: "SIGKILL" in worker.log.read_text())
    wait_until(lambda: outcomes(worker, "die") == {"lost": 1}, 60)
    assert LOADED_GRPC not in Path(f"/proc/{worker.pid}/maps").read_text()
    for _ in range(10):
        app.send_task("succeed", queue="orders")
    wait_until(lambda: grpc_receiver.count("span process orders") >= 10)
    wait_until(lambda: grpc_receiver.count("line inside") >= 10)
    wait_until(lambda: outcomes(worker, "succeed") == {"succeeded": 10}, 60)
    assert LOADED_GRPC not in Path(f"/proc/{worker.pid}/maps").read_text()
    assert worker.stop() == 0
    assert all(json.loads(line) for line in worker.log.read_text().splitlines())


def test_importing_the_worker_touches_no_metrics_folder(tmp_path: Path) -> None:
    import subprocess
    import sys

    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "TEST_METRICS_PORT": "0"}
    code = "import tests.integration.instrumentation.tasks_app"
    subprocess.run([sys.executable, "-c", code], check=True, env=variables)
    assert not list(tmp_path.iterdir())


def test_a_wait_begins_when_the_message_was_due() -> None:
    request = {"enqueued_at": 100.0}
    assert queue_wait_seconds(request, 103.0) == 3.0
    request["eta"] = "1970-01-01T00:01:42+00:00"
    assert queue_wait_seconds(request, 103.0) == 1.0
    assert queue_wait_seconds({"enqueued_at": 100.0}, 99.0) == 0.0
    assert queue_wait_seconds({}, 103.0) is None
    assert queue_wait_seconds({"enqueued_at": "soon"}, 103.0) is None


def test_counts_continue_after_all_children_were_killed(
    producer: celery.Celery, broker: str, start_worker: StartWorker, sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, "-c", "2")
    producer.send_task("succeed")
    wait_until(lambda: outcomes(worker, "succeed") == {"succeeded": 1})
    for child in worker.children():
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: len(worker.children()) == 2)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: producer.send_task("succeed"), range(4)))
    wait_until(lambda: outcomes(worker, "succeed") == {"succeeded": 5}, 60)
