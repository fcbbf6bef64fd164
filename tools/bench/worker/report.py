"""Turn measurements of workers into a table and its document."""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from tools.bench.report import paired, publish
from tools.bench.worker.workers import Worker

PAGE = """# What telemetry costs a Celery worker

Written by `make bench` (`python -m tools.bench.worker`): the newest run that was committed.

- **When and where**: {date}; {machine}{note}
- **What**: one cached read per task (Celery with prefork and one child, redis-py, a real Redis that
  is broker and cache), {rounds} interleaved rounds of {tasks} tasks, all variants' workers side by
  side. Each variant logs at level INFO, where Celery writes two lines per task
- **CPU**: user and system time of the worker's main process and child per task, exports included;
  the receiver and Redis are other processes and not counted
- **Times bare**: the median of the rounds' ratios of this variant to the bare worker

{table}

| variant | description |
| --- | --- |
| bare | Celery alone; its lines are plain text |
| events | the same with `-E`, which exporters outside the worker need; what such an exporter uses \
is not counted |
| lean | `instrument_celery`: a span per task, wait and run time with exemplars, outcomes, and \
JSON lines that are exported too |
| sdk | the same with `TELEMETRY_ENGINE=sdk` |
| contrib-traces | opentelemetry-instrumentation-celery with the SDK: a span per task, plain lines |
| contrib | the same with the SDK's metrics, its handler for logs, and python-json-logger |
"""


def write_reports(
    workers: list[Worker], options: argparse.Namespace, machine: str, root: Path
) -> None:
    """Print the table and write both files."""
    rows = make_rows(workers)
    facts = {"tasks": options.tasks}
    publish(rows, make_table(rows), PAGE, "-celery", options, machine, root, facts)


def make_rows(workers: list[Worker]) -> list[dict[str, Any]]:
    """Return one row per variant; ratios are taken within rounds, then their median."""
    bare = next((worker for worker in workers if worker.variant == "bare"), workers[0])
    return [
        {
            "variant": worker.variant,
            "cpu_us": round(statistics.median(worker.cpu_us)),
            "cpu_us_min": round(min(worker.cpu_us)),
            "ratio": round(paired(worker.cpu_us, bare.cpu_us), 2),
            "ratio_min": round(min(worker.cpu_us) / min(bare.cpu_us), 2),
            "tasks_per_s": round(statistics.median(worker.tasks_per_s)),
            "memory_mb": round(worker.memory_mb, 1),
            "memory_added_mb": round(worker.memory_mb - bare.memory_mb, 1),
        }
        for worker in workers
    ]


def make_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    head = (
        "| variant | CPU µs/task, median | minimum | times bare | of the minima | tasks/s, median "
        "| memory of the child, MB |"
    )
    lines = [head, "| --- |" + " ---: |" * 6]
    lines += [
        f"| {row['variant']} | {row['cpu_us']} | {row['cpu_us_min']} | {row['ratio']:.2f} "
        f"| {row['ratio_min']:.2f} | {row['tasks_per_s']} "
        f"| {row['memory_mb']:.0f} ({row['memory_added_mb']:+.0f}) |"
        for row in rows
    ]
    return "\n".join(lines)
