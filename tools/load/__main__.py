"""Measure how much load the local mode sustains.

    python -m tools.load rate       the highest rate of orders with p99 under 500 ms
    python -m tools.load outage     what customers notice while every telemetry backend hangs

Both start a local system on free ports and print a Markdown table.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import click

from tools.bench.machine import cpu_seconds, describe_machine, tree
from tools.chaos.system import LocalSystem, running_system
from tools.load.arrivals import Tally, arrive
from tools.servers import wait_until

LIMIT_MS = 500
WARM_UP_SECONDS = 10
# A queue with a backlog of more than this many seconds of orders is not keeping up.
BEHIND_SECONDS = 5
# Queued telemetry is exported first, so that it does not count in the next row.
CATCH_UP_SECONDS = 10
BACKENDS = ("console", "prometheus", "alertmanager")
ADDED_MS = 20
RATES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0)


def report(text: str) -> None:
    """Print a line without buffering."""
    print(text, flush=True)


def used(system: LocalSystem) -> dict[str, float]:
    """Return the CPU seconds of each program so far, including its children."""
    found = {}
    for name, pid in system.pids().items():
        if pid:
            with suppress(OSError):
                found[name] = sum(cpu_seconds(one) for one in tree(pid))
    return found


def find_rate(system: LocalSystem, rates: Sequence[float], seconds: float) -> None:
    """Raise the rate until p99 or the backlog exceeds its limit."""
    port = system.port("ORDERS_PORT")
    arrive(port, rates[0], WARM_UP_SECONDS)
    report("| orders/s | requests/s | p50 ms | p99 ms | errors | not done at the end | most CPU |")
    report("| ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for rate in rates:
        before = used(system)
        tally = arrive(port, rate, seconds)
        left = sum(system.left_over().values())
        spent = {name: (cpu - before.get(name, 0)) / seconds for name, cpu in used(system).items()}
        most = sorted(spent.items(), key=lambda pair: -pair[1])[:4]
        cpu = ", ".join(f"{name} {100 * share:.0f} %" for name, share in most)
        cpu += f", all {100 * sum(spent.values()):.0f} %"
        p50, p99 = tally.quantile(0.5), tally.quantile(0.99)
        report(
            f"| {rate:g} | {len(tally.seconds) / seconds:.0f} | {p50:.0f} | {p99:.0f}"
            f" | {len(tally.errors)} | {left} | {cpu} |"
        )
        if p99 > LIMIT_MS or left > BEHIND_SECONDS * rate:
            break
        wait_until(lambda: not any(system.left_over().values()), 60, 0.5)


def each_pid(system: LocalSystem, number: int) -> None:
    """Send a signal to every telemetry backend."""
    pids = system.pids()
    for name in BACKENDS:
        if pid := pids.get(name):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def outage(system: LocalSystem, rate: float, minutes: float) -> int:
    """Compare customers' requests with telemetry healthy, hung and dead; return the exit code."""
    port = system.port("ORDERS_PORT")
    arrive(port, rate, WARM_UP_SECONDS)
    report("| telemetry | seconds | requests | errors | p50 ms | p95 ms | p99 ms |")
    report("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    healthy = [row("healthy", port, rate, 60)]
    each_pid(system, signal.SIGSTOP)
    try:
        hung = row("hung", port, rate, 60 * minutes)
    finally:
        each_pid(system, signal.SIGCONT)
    time.sleep(CATCH_UP_SECONDS)
    healthy.append(row("healthy", port, rate, 60))
    dead = row("dead", port, rate, 60 * minutes, lambda: each_pid(system, signal.SIGKILL))
    usual = statistics.mean(tally.quantile(0.95) for tally in healthy)
    errors = len(hung.errors) + len(dead.errors)
    added = max(hung.quantile(0.95), dead.quantile(0.95)) - usual
    report(f"\n{errors} errors while telemetry was away; p95 {added:+.1f} ms")
    return 1 if errors or added > ADDED_MS else 0


def row(
    name: str,
    port: int,
    rate: float,
    seconds: float,
    every_second: Callable[[], None] | None = None,
) -> Tally:
    """Send requests, call a function every second meanwhile, and print the result as a row."""
    # The supervisor restarts dead processes, so they are killed every second.
    stop = threading.Event()

    def repeat() -> None:
        while every_second and not stop.wait(1):
            every_second()

    helper = threading.Thread(target=repeat)
    helper.start()
    tally = arrive(port, rate, seconds)
    stop.set()
    helper.join()
    quantiles = " | ".join(f"{tally.quantile(share):.1f}" for share in (0.5, 0.95, 0.99))
    report(f"| {name} | {seconds:.0f} | {len(tally.seconds)} | {len(tally.errors)} | {quantiles} |")
    return tally


@click.group()
def main() -> None:
    """Measure how much load the local mode sustains."""
    report(describe_machine() + "\n")


@main.command("rate")
@click.argument("rates", type=float, nargs=-1)
@click.option("--seconds", type=float, default=30, show_default=True, help="Duration of each rate.")
def rate_command(rates: tuple[float, ...], seconds: float) -> None:
    """Find the highest rate of orders with p99 under 500 ms."""
    with running_system() as system:
        find_rate(system, rates or RATES, seconds)


@main.command("outage")
@click.option("--rate", type=float, default=10, show_default=True, help="Orders per second.")
@click.option("--minutes", type=float, default=5, show_default=True, help="Of each outage.")
def outage_command(rate: float, minutes: float) -> None:
    """Compare customers' requests with telemetry healthy, hung and dead."""
    with running_system() as system:
        sys.exit(outage(system, rate, minutes))


if __name__ == "__main__":
    main()
