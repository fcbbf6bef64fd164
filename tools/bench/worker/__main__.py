"""Measure what telemetry costs a worker: `python -m tools.bench.worker` prints and writes a table.

All variants' workers run side by side, and each round gives all of them the same tasks in turn, so
that other work on the machine affects all of them.
"""

from __future__ import annotations

import argparse

from tools.bench.machine import describe_machine
from tools.bench.worker.report import write_reports
from tools.bench.worker.workers import VARIANTS, running_bench
from tools.servers import ROOT


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.worker")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tasks", type=int, default=2000, help="per round and variant")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--no-docs", action="store_true", help="do not write the document")
    parser.add_argument("--note", default="", help="the state of the machine, for the document")
    options = parser.parse_args()
    with running_bench() as bench:
        workers = [bench.start(variant) for variant in options.variants]
        bench.measure(workers, options.rounds, options.tasks)
    write_reports(workers, options, describe_machine(), ROOT)


if __name__ == "__main__":
    main()
