"""Load the local mode and say what it holds.

    python -m tools.load rate       the highest rate of orders with p99 under 500 ms
    python -m tools.load outage     what customers notice while every telemetry back end hangs

Both start a local system of their own on free ports and print a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tools.bench.machine import cpu_seconds, describe_machine, tree
from tools.chaos.system import LocalSystem, running_system
from tools.load.arrivals import Tally, arrive
from tools.servers import wait_until

LIMIT_MS = 500
WARM_UP_SECONDS = 10
# A queue that is behind by more than this many seconds of orders is not keeping up.
BEHIND_SECONDS = 5
# What waited for the back ends is sent to them first, and is no part of the next row.
CATCH_UP_SECONDS = 10
BACK_ENDS = ("console", "prometheus", "alertmanager")
ADDED_MS = 20


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def used(system: LocalSystem) -> dict[str, float]:
    """Return the CPU seconds of each program so far, its children included."""
    found = {}
    for name, pid in system.pids().items():
        if pid:
            with suppress(OSError):
                found[name] = sum(cpu_seconds(one) for one in tree(pid))
    return found


def find_rate(system: LocalSystem, rates: Sequence[float], seconds: float) -> None:
    """Raise the rate until p99 or the queues say no."""
    port = system.port("ORDERS_PORT")
    arrive(port, rates[0], WARM_UP_SECONDS)
    say("| orders/s | requests/s | p50 ms | p99 ms | errors | not done at the end | most CPU |")
    say("| ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for rate in rates:
        before = used(system)
        tally = arrive(port, rate, seconds)
        left = sum(system.left_over().values())
        spent = {name: (cpu - before.get(name, 0)) / seconds for name, cpu in used(system).items()}
        most = sorted(spent.items(), key=lambda pair: -pair[1])[:4]
        cpu = ", ".join(f"{name} {100 * share:.0f} %" for name, share in most)
        cpu += f", all {100 * sum(spent.values()):.0f} %"
        p50, p99 = tally.quantile(0.5), tally.quantile(0.99)
        say(
            f"| {rate:g} | {len(tally.seconds) / seconds:.0f} | {p50:.0f} | {p99:.0f}"
            f" | {len(tally.errors)} | {left} | {cpu} |"
        )
        if p99 > LIMIT_MS or left > BEHIND_SECONDS * rate:
            break
        wait_until(lambda: not any(system.left_over().values()), 60, 0.5)


def each_pid(system: LocalSystem, number: int) -> None:
    """Send a signal to every telemetry back end."""
    pids = system.pids()
    for name in BACK_ENDS:
        if pid := pids.get(name):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def outage(system: LocalSystem, rate: float, minutes: float) -> int:
    """Compare what customers get with telemetry well, hung and dead; return the exit code."""
    port = system.port("ORDERS_PORT")
    arrive(port, rate, WARM_UP_SECONDS)
    say("| telemetry | seconds | requests | errors | p50 ms | p95 ms | p99 ms |")
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    well = [row("well", port, rate, 60)]
    each_pid(system, signal.SIGSTOP)
    try:
        hung = row("hung", port, rate, 60 * minutes)
    finally:
        each_pid(system, signal.SIGCONT)
    time.sleep(CATCH_UP_SECONDS)
    well.append(row("well", port, rate, 60))
    dead = row("dead", port, rate, 60 * minutes, lambda: each_pid(system, signal.SIGKILL))
    usual = statistics.mean(tally.quantile(0.95) for tally in well)
    errors = len(hung.errors) + len(dead.errors)
    added = max(hung.quantile(0.95), dead.quantile(0.95)) - usual
    say(f"\n{errors} errors while telemetry was away; p95 {added:+.1f} ms")
    return 1 if errors or added > ADDED_MS else 0


def row(
    name: str,
    port: int,
    rate: float,
    seconds: float,
    every_second: Callable[[], None] | None = None,
) -> Tally:
    """Let requests arrive, do something each second meanwhile, and print what came of it."""
    # The supervisor starts what died again; once a second keeps it away.
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
    say(f"| {name} | {seconds:.0f} | {len(tally.seconds)} | {len(tally.errors)} | {quantiles} |")
    return tally


def main() -> int:
    """Run one of the two; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.load", description=__doc__)
    parser.add_argument("what", choices=("rate", "outage"))
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 20, 30, 40, 50, 60, 80])
    parser.add_argument("--seconds", type=float, default=30, help="of each rate (30)")
    parser.add_argument("--minutes", type=float, default=5, help="of each outage (5)")
    options = parser.parse_args()
    say(describe_machine() + "\n")
    with running_system() as system:
        if options.what == "rate":
            find_rate(system, options.rates, options.seconds)
            return 0
        return outage(system, options.rates[0], options.minutes)


if __name__ == "__main__":
    sys.exit(main())
