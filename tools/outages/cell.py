"""One outage: a dependency that fails in one way, and what each process answers meanwhile."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tools.outages.gates import Way
from tools.outages.system import LIVE, SCRAPED, Answer, System
from tools.servers import wait_until

# The alert that names each dependency.
ALERTS = {
    "postgres": "DatabaseDown",
    "cache": "CacheDown",
    "broker": "BrokerDown",
    "payment-provider": "PaymentProviderDown",
    "smtp": "MailServerDown",
    "collector": "TelemetryNotExported",
}
READERS = 2
READ_PAUSE_SECONDS = 0.05
ORDER_PAUSE_SECONDS = 0.2
SCRAPE_PAUSE_SECONDS = 1.0
# More than the threads of one worker of the API, so that every worker has some.
AT_ONCE = 12


@dataclass
class Cell:
    """The answers during one outage, and when its alert fired."""

    dependency: str
    way: Way
    reads: list[Answer] = field(default_factory=list)
    orders: list[Answer] = field(default_factory=list)
    scrapes: dict[str, list[Answer]] = field(default_factory=dict)
    lives: list[Answer] = field(default_factory=list)
    alert: str = ""
    alert_seconds: float | None = None
    others: set[str] = field(default_factory=set)

    def slowest_scrape(self) -> tuple[float, str]:
        """Return seconds and process of the slowest scrape."""
        return max((a.seconds, name) for name, found in self.scrapes.items() for a in found)

    def down_in(self) -> set[str]:
        """Return the processes whose last scrape counts the dependency as down."""
        line = f'dependency_up{{dependency="{self.dependency}"}} 0.0'
        return {name for name, found in self.scrapes.items() if line in found[-1].text}


def p99(answers: Sequence[Answer]) -> float:
    """Return the 99th percentile of the answers' seconds."""
    seconds = sorted(answer.seconds for answer in answers)
    return seconds[math.ceil(0.99 * len(seconds)) - 1]


@contextmanager
def watched(system: System, cell: Cell, order: str) -> Iterator[None]:
    """Read, order, scrape and ask for life until the block ends."""
    stop = threading.Event()
    loops: list[tuple[Callable[[], Answer], list[Answer], float]] = [
        *[(partial(system.read, order), cell.reads, READ_PAUSE_SECONDS)] * READERS,
        (system.place, cell.orders, ORDER_PAUSE_SECONDS),
    ]
    for process in SCRAPED:
        cell.scrapes[process] = []
        ask = partial(system.scrape, process)
        loops.append((ask, cell.scrapes[process], SCRAPE_PAUSE_SECONDS))
    loops += [(partial(system.live, name), cell.lives, SCRAPE_PAUSE_SECONDS) for name in LIVE]

    def repeat(ask: Callable[[], Answer], answers: list[Answer], pause: float) -> None:
        while True:
            answers.append(ask())
            if stop.wait(pause):
                return

    threads = [threading.Thread(target=repeat, args=loop) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def place(system: System) -> str:
    """Place an order, read it once, and return its id."""
    order: str = json.loads(system.place().text)["id"]
    assert system.read(order).status == 200
    return order


def is_well(system: System) -> bool:
    """Return whether orders are taken and no process misses a dependency.

    Each worker of the API notices for itself that the database is back, so all must be asked.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = set(pool.map(lambda _: system.place().status, range(AT_ONCE)))
    if codes != {201}:
        return False
    lines = [line for name in SCRAPED for line in system.scrape(name).text.splitlines()]
    return not any(line.startswith("dependency_up") and line.endswith(" 0.0") for line in lines)


def measure(
    system: System, dependency: str, way: Way, seconds: float, alert_seconds: float = 0
) -> Cell:
    """Let a dependency fail, and return what was seen; the system is well again afterwards.

    Args:
        system: A running one.
        dependency: Whose gate fails.
        way: How.
        seconds: How long, at least.
        alert_seconds: How long to wait for its alert at most; 0 does not wait.
    """
    cell = Cell(dependency, way, alert=ALERTS[dependency])
    if alert_seconds:
        wait_until(lambda: cell.alert not in system.firing(), 400, 1)
    order = place(system)
    gate = system.gates[dependency]
    gate.fail(way)
    started, began = time.monotonic(), time.time()
    try:
        with watched(system, cell, order):
            time.sleep(seconds)
            while cell.alert_seconds is None and time.monotonic() < started + alert_seconds:
                firing = system.firing()
                if cell.alert in system.firing(since=began):
                    cell.alert_seconds = time.monotonic() - started
                cell.others |= firing - {cell.alert}
                time.sleep(0.5)
    finally:
        gate.restore()
    wait_until(lambda: is_well(system), 30, 0.5)
    return cell
