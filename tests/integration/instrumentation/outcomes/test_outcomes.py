"""Every message that a worker takes off its queue ends in exactly one outcome, in every pool."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import celery
import kombu
import pytest

from tests.integration.instrumentation.conftest import Worker, samples, total
from tools.bench.sink import Sink
from tools.servers import wait_until

POOLS = {
    "prefork": ("-P", "prefork", "-c", "3"),
    "threads": ("-P", "threads", "-c", "3"),
    "gevent": ("-P", "gevent", "-c", "3"),
    "solo": ("-P", "solo"),
}
OUTCOMES = "tests.integration.instrumentation.outcomes.outcomes_app:app"
QUEUE = "orders"
CONSUMER = 5
# Celery cannot convert it, and rejects the message.
AFTER_THE_LAST_DATE = "9999-12-31T23:59:59-05:00"
Table = dict[str, dict[str, int]]


@dataclass
class Traffic:
    """Messages sent to one worker, and how their attempts must end."""

    app: celery.Celery
    folder: Path
    expected: dict[str, Counter[str]] = field(default_factory=dict)

    def expect(self, label: str, ends: str) -> None:
        """Expect attempts to end in this way, for example "retried retried failed"."""
        self.expected.setdefault(label, Counter()).update(ends.split())

    def send(self, task: str, *args: Any, ends: str = "", label: str = "", **options: Any) -> None:
        """Send a message and expect how its attempts end."""
        self.expect(label or task, ends)
        self.app.send_task(task, args, **options)

    def revoke(self, task_id: str, **options: Any) -> None:
        """Revoke a task; repeated, since a worker may be ready before it listens to commands."""
        revoke = self.app.control.revoke
        wait_until(lambda: revoke(task_id, reply=True, timeout=3, limit=1, **options), 60)

    def mark(self) -> str:
        return str(self.folder / uuid.uuid4().hex)

    def table(self) -> Table:
        return {task: dict(sorted(ends.items())) for task, ends in sorted(self.expected.items())}


def counted(worker: Worker) -> Table:
    """Return the outcomes that a worker counted, by task."""
    found: Table = {}
    for series, value in samples(worker.metrics()).items():
        name, _, labels = series.rstrip("}").partition("{")
        if name == "celery_tasks_total" and value:
            pairs = dict(pair.split("=") for pair in labels.replace('"', "").split(","))
            assert pairs["queue"] == QUEUE, series
            found.setdefault(pairs["task"], {})[pairs["state"]] = int(value)
    return {task: dict(sorted(ends.items())) for task, ends in sorted(found.items())}


@pytest.fixture
def traffic(broker: str, tmp_path: Path) -> Traffic:
    with celery.Celery("sender", broker=broker, set_as_current=False) as app:
        app.conf.update(task_default_queue=QUEUE, task_ignore_result=True)
        yield Traffic(app, tmp_path)


def send_everywhere(traffic: Traffic) -> None:
    """Send what ends in the same way in every pool."""
    for _ in range(3):
        traffic.send("succeed", ends="succeeded")
    traffic.send("fail", ends="failed")
    traffic.send("retry_at_once", ends="retried retried succeeded")
    traffic.send("give_up", ends="retried failed")
    traffic.send("come_later", ends="retried")
    traffic.send("reject", ends="rejected")
    traffic.send("hand_back", traffic.mark(), ends="rejected succeeded")
    traffic.send("ignore", ends="rejected")
    traffic.send("expire", ends="expired", expires=-10)
    traffic.send("expire", ends="rejected", headers={"eta": AFTER_THE_LAST_DATE})
    same = str(uuid.uuid4())
    for _ in range(2):
        traffic.send("overlap", 1, ends="succeeded", task_id=same)
    unwanted = str(uuid.uuid4())
    traffic.revoke(unwanted)
    traffic.send("revoke", ends="revoked", task_id=unwanted)
    # It sends one message, which is late.
    traffic.send("call_eagerly", ends="succeeded")
    traffic.expect("succeed", "expired")
    traffic.send("absent", label="_OTHER", ends="unknown")
    send_broken(traffic)
    traffic.expect("_OTHER", "rejected rejected")
    traffic.expect("succeed", "rejected")


def send_broken(traffic: Traffic) -> None:
    """Send messages that no task can read."""
    with traffic.app.connection_for_write() as connection:
        producer = kombu.Producer(connection, routing_key=QUEUE)
        headers = {"id": "x", "task": "succeed", "lang": "py"}
        producer.publish({"neither": "task"})
        producer.publish(b"{", content_type="application/json", content_encoding="utf-8")
        producer.publish(
            b"x", content_type="application/x-yaml", content_encoding="utf-8", headers=headers
        )


def send_to_children(traffic: Traffic) -> None:
    """Send what ends a child process."""
    traffic.send("too_slow", ends="failed")
    traffic.send("die", ends="lost")
    traffic.send("die_once", traffic.mark(), ends="lost succeeded")
    traffic.send("die_when_done", ends="succeeded")


def terminate(traffic: Traffic) -> None:
    """End a running attempt by `revoke(terminate=True)`."""
    mark, running = traffic.mark(), str(uuid.uuid4())
    traffic.send("wait_for_end", mark, ends="revoked", task_id=running)
    wait_until(lambda: Path(mark).exists(), 60)
    traffic.revoke(running, terminate=True)


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
def test_every_message_ends_in_exactly_one_outcome(
    traffic: Traffic, broker: str, start_worker: Callable[..., Worker], sink: Sink, pool: str
) -> None:
    worker = start_worker(broker, sink.url, *POOLS[pool], app=OUTCOMES)
    send_everywhere(traffic)
    if pool in ("prefork", "gevent"):
        terminate(traffic)
        traffic.send("hang", ends="failed")
    if pool == "prefork":
        send_to_children(traffic)
    if pool != "solo":
        # It ends a solo worker, and with it what that counted.
        traffic.send("exit", ends="lost")
    wait_until(lambda: counted(worker) == traffic.table(), 120)
    traffic.send("succeed", ends="succeeded")
    wait_until(lambda: counted(worker) == traffic.table(), 60)
    # Eager calls are no messages, and neither is what the other app in the process runs.
    ran = {attribute(span, "celery.task.name") for span in sink.spans if span.kind == CONSUMER}
    assert "other" not in ran


@pytest.mark.slow
def test_spawned_children_count_each_attempt_once(
    traffic: Traffic, broker: str, start_worker: Callable[..., Worker], sink: Sink
) -> None:
    worker = start_worker(
        broker, sink.url, *POOLS["prefork"], app=OUTCOMES, TEST_START_METHOD="spawn"
    )
    send_everywhere(traffic)
    traffic.send("die_once", traffic.mark(), ends="lost succeeded")
    wait_until(lambda: counted(worker) == traffic.table(), 120)
    traffic.send("succeed", ends="succeeded")
    wait_until(lambda: counted(worker) == traffic.table(), 60)


@pytest.mark.slow
def test_a_lost_task_and_an_unknown_one_are_errors_with_a_class(
    traffic: Traffic, broker: str, start_worker: Callable[..., Worker], sink: Sink
) -> None:
    worker = start_worker(broker, sink.url, *POOLS["prefork"], app=OUTCOMES)
    name = "celery_task_errors_total"
    text = worker.metrics()
    assert total(text, name, error_type="KeyError") == 0
    assert 'celery_tasks_total{queue="orders",state="unknown",task="_OTHER"} 0.0' in text
    assert 'celery_tasks_total{queue="orders",state="lost",task="die_once"} 0.0' in text
    traffic.send("die_once", traffic.mark())
    traffic.send("absent")
    for task, error in (("die_once", "WorkerLostError"), ("_OTHER", "NotRegistered")):
        labels = {"task": task, "error_type": error}
        wait_until(lambda labels=labels: total(worker.metrics(), name, **labels) == 1, 60)


def attribute(span: Any, key: str) -> str:
    return next(pair.value.string_value for pair in span.attributes if pair.key == key)
