"""Measure what telemetry costs: `python -m tools.bench` prints one table and writes two files.

All variants' servers run side by side, and each round loads them in turn, so that other work on
the machine affects all of them. CPU time is what the kernel counted for master and worker.
`--base REV` compares the kit with that of another commit instead.
"""

from __future__ import annotations

import argparse

from tools.bench.compare import compare
from tools.bench.machine import describe_machine
from tools.bench.measure import measure
from tools.bench.report import write_reports
from tools.bench.servers import KIT_VARIANTS, VARIANTS, running_bench
from tools.servers import ROOT


def main() -> None:
    """Measure and report."""
    options = read_options()
    if options.base:
        variants = options.variants or KIT_VARIANTS
        compare(options.base, variants, options.rounds, options.requests)
        return
    with running_bench() as bench:
        servers = [bench.start(variant) for variant in options.variants or VARIANTS]
        measure(servers, options.rounds, options.requests)
    write_reports(servers, options, describe_machine(), ROOT)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=3000, help="per round and variant")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, help="all of them by default")
    parser.add_argument("--base", metavar="REV", help="compare the kit with that of a commit")
    parser.add_argument("--no-docs", action="store_true", help="do not write the document")
    parser.add_argument("--note", default="", help="the state of the machine, for the document")
    return parser.parse_args()


if __name__ == "__main__":
    main()
