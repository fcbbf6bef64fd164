"""The workers that are measured, one for each variant, and the messages that they get."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import celery
import redis

from tools.bench.machine import cpu_seconds, resident_mb, tree
from tools.servers import ROOT, free_port, is_listening, running, running_redis, wait_until

VARIANTS = ("bare", "events", "lean", "sdk", "contrib-traces", "contrib")
TASK = "bench.read_order"
ORDER = "0b1e6a52-6f0e-4a5c-9c2e-2f6f9f8b6f11"
TRACEPARENT = "00-{:032x}-{:016x}-01"
# The exports of the last tasks are part of their cost.
EXPORT_SECONDS = 1.0
# What Redis does while a worker waits for messages must not count.
_POLL_SECONDS = 0.005


@dataclass
class Worker:
    """The worker of one variant, and what was measured of it, round by round."""

    variant: str
    pid: int
    queue: str
    cpu_us: list[float] = field(default_factory=list)
    tasks_per_s: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


class Bench:
    """What all workers share: a Redis that is broker and cache, and an OTLP receiver."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._port = stack.enter_context(running_redis(folder / "redis")).port
        self._broker = redis.Redis(port=self._port)
        redis.Redis(port=self._port, db=1).set(f"order:{ORDER}", json.dumps({"id": ORDER}))
        self._receiver = free_port()
        stack.enter_context(
            running(
                [sys.executable, "-m", "tools.bench.sink", str(self._receiver)],
                log=folder / "sink.log",
                ready=lambda: is_listening(self._receiver),
                cwd=ROOT,
            )
        )

    def start(self, variant: str) -> Worker:
        """Start the worker of a variant: one child, Celery's two lines for each task."""
        folder = self._folder / variant
        (folder / "metrics").mkdir(parents=True)
        log = folder / "worker.log"
        command = [sys.executable, "-m", "celery", "-A", "tools.bench.worker.app:app", "worker"]
        command += ["-c", "1", "-l", "info", "--without-gossip", "--without-mingle"]
        process = self._stack.enter_context(
            running(
                [*command, "-n", f"{variant}@bench", *(["-E"] if variant == "events" else [])],
                log=log,
                cwd=ROOT,
                env=self._environment(variant, folder),
            )
        )
        wait_until(lambda: re.search(r"bench ready", log.read_text()), 60)
        wait_until(lambda: len(tree(process.pid)) >= 2)
        return Worker(variant, process.pid, f"bench-{variant}")

    def _environment(self, variant: str, folder: Path) -> dict[str, str]:
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "BENCH_VARIANT": variant,
            "BENCH_REDIS_PORT": str(self._port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._receiver}",
        }
        if variant in ("lean", "sdk"):
            variables |= {
                "TELEMETRY_ENGINE": variant,
                "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
                "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
            }
        return variables

    def measure(self, workers: list[Worker], rounds: int, tasks: int) -> None:
        """Give each worker its tasks in each round; the order alternates, the first warms up."""
        for number in range(rounds + 1):
            for worker in workers if number % 2 else reversed(workers):
                cpu_us, rate = self._measure_once(worker, tasks if number else tasks // 4)
                if number:
                    worker.cpu_us.append(cpu_us)
                    worker.tasks_per_s.append(rate)
        for worker in workers:
            worker.memory_mb = max(resident_mb(pid) for pid in tree(worker.pid)[1:])

    def _measure_once(self, worker: Worker, tasks: int) -> tuple[float, float]:
        """Return CPU in µs per task, and tasks per second."""
        staged = f"staged-{worker.queue}"
        messages = copies(self._template(worker.queue), tasks)
        for start in range(0, tasks, 500):
            self._broker.lpush(staged, *messages[start : start + 500])
        pids = tree(worker.pid)
        before = sum(cpu_seconds(pid) for pid in pids)
        started = time.perf_counter()
        self._broker.rename(staged, worker.queue)
        wait_until(lambda: not self._waiting(worker.queue), 300, _POLL_SECONDS)
        seconds = time.perf_counter() - started
        time.sleep(EXPORT_SECONDS)
        used = sum(cpu_seconds(pid) for pid in pids) - before
        return used / tasks * 1e6, tasks / seconds

    def _waiting(self, queue: str) -> int:
        return int(self._broker.llen(queue)) + int(self._broker.hlen("unacked"))

    def _template(self, queue: str) -> dict[str, Any]:
        """Return a message as Celery writes it to Redis."""
        url = f"redis://127.0.0.1:{self._port}/0"
        with celery.Celery(broker=url, set_as_current=False) as app:
            app.send_task(TASK, (ORDER,), queue=f"template-{queue}", ignore_result=True)
        message = json.loads(self._broker.rpop(f"template-{queue}"))
        message["properties"]["delivery_info"]["routing_key"] = queue
        return dict(message)


def copies(template: dict[str, Any], count: int) -> list[str]:
    """Return copies of a message, each with ids, a trace and a time of its own."""
    made = []
    for _ in range(count):
        task_id, now = str(uuid.uuid4()), time.time()
        trace = TRACEPARENT.format(uuid.uuid4().int, uuid.uuid4().int >> 64 | 1)
        headers = {**template["headers"], "id": task_id, "root_id": task_id}
        headers |= {"traceparent": trace, "enqueued_at": now}
        properties = {
            **template["properties"],
            "correlation_id": task_id,
            "delivery_tag": str(uuid.uuid4()),
        }
        made.append(json.dumps({**template, "headers": headers, "properties": properties}))
    return made


@contextmanager
def running_bench() -> Iterator[Bench]:
    """Run what the workers share, and end all of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-worker-")))
        yield Bench(stack, folder)
