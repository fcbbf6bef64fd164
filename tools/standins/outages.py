"""Each dependency stopped or frozen while customers read and order: what the API answers.

A container that is stopped takes its name with it, so every lookup of it hangs for 10 s. No proxy
on one machine shows that; `python -m tools.outages` measures the other ways of failing.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

from tools.servers import wait_until
from tools.standins.docker import Project, report
from tools.standins.shop import ORDER, Shop, request, settle

DEPENDENCIES = ("cache", "postgres", "broker", "payment-provider", "mailpit", "collector")
# Programs of one process can be frozen by a signal; `docker pause` needs a cgroup that not every
# engine has.
ONE_PROCESS = ("cache", "broker", "mailpit", "collector")
STOP = (("stop", "-t", "2"), ("start",))
FREEZE = (("kill", "-s", "SIGSTOP"), ("kill", "-s", "SIGCONT"))
OURS = ("orders", "orders-worker", "orders-relay", "payment-provider")
WATCH_SECONDS = 4.0
PAUSE_SECONDS = 0.1
FILLING_READS = 20
# The most that an outage may add to an answer; PostgreSQL's own timeout, and some slack.
DATABASE_SECONDS = 4.0
PROMPT_SECONDS = 0.2
SLACK_SECONDS = 0.5
SCRAPE_SECONDS = 3.0


@dataclass
class Watch:
    """Readers and buyers in a loop, with the status and the seconds of each answer."""

    shop: Shop
    order: str
    reads: list[tuple[int, float]] = field(default_factory=list)
    orders: list[tuple[int, float]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Read and order until the block ends."""
        stop = threading.Event()
        place, read = self.shop.url("ORDERS_PORT", "/v1/orders"), self.read_url()
        loops: list[tuple[Callable[[], int], list[tuple[int, float]]]] = [
            (lambda: request(read)[0], self.reads),
            (lambda: request(place, ORDER, idempotency_key=str(uuid.uuid4()))[0], self.orders),
        ]
        threads = [threading.Thread(target=_repeat, args=(*loop, stop)) for loop in loops]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def read_url(self) -> str:
        """Return the address of the order that is read."""
        return self.shop.url("ORDERS_PORT", f"/v1/orders/{self.order}")


def _repeat(
    ask: Callable[[], int], answers: list[tuple[int, float]], stop: threading.Event
) -> None:
    while not stop.wait(PAUSE_SECONDS):
        started = time.monotonic()
        try:
            status = ask()
        except (OSError, HTTPException):
            status = 0
        answers.append((status, time.monotonic() - started))


def p99(answers: list[tuple[int, float]]) -> float:
    """Return the 99th percentile of the answers' seconds."""
    seconds = sorted(each for _, each in answers)
    return seconds[math.ceil(0.99 * len(seconds)) - 1]


def survive_outages(sut: Project, shop: Shop) -> None:
    """Stop or freeze each dependency in turn; fail if an answer or a scrape is late."""
    since = time.monotonic()
    usual = watch_all_is_well(shop)
    cases = [(name, STOP) for name in DEPENDENCIES] + [(name, FREEZE) for name in ONE_PROCESS]
    for dependency, (fail, restore) in cases:
        order, _ = shop.place_order()
        shop.wait_for_status(order)  # a change of status removes the order from the cache
        watch = Watch(shop, order)
        fill_cache(watch)
        sut.compose(*fail, dependency)
        try:
            with watch.running():
                settle(WATCH_SECONDS)
        finally:
            sut.compose(*restore, dependency)
        case = f"{dependency}, {' '.join(fail)}"
        check(case, watch, usual, is_database=dependency == "postgres")
        wait_until(shop.place_order, seconds=60, interval=0.5)
    check_scrapes(shop, time.monotonic() - since, usual)


def fill_cache(watch: Watch) -> None:
    """Read the order until it is surely in the cache.

    After an outage of the cache, each worker of the API leaves it alone for a second.
    """
    for _ in range(FILLING_READS):
        request(watch.read_url())
        time.sleep(PAUSE_SECONDS)


def watch_all_is_well(shop: Shop) -> float:
    """Return the 99th percentile of reads and orders on this machine while nothing fails."""
    watch = Watch(shop, shop.place_order()[0])
    with watch.running():
        settle(WATCH_SECONDS)
    seconds = p99(watch.reads + watch.orders)
    report(f"nothing fails: p99 {seconds:.2f} s")
    return seconds


def check(case: str, watch: Watch, usual: float, *, is_database: bool) -> None:
    """Check the answers of one outage; `usual` is what they take without it."""
    reads, orders = p99(watch.reads), p99(watch.orders)
    codes = {status for status, _ in watch.reads}, {status for status, _ in watch.orders}
    report(f"{case}: reads p99 {reads:.2f} s {codes[0]}, orders p99 {orders:.2f} s {codes[1]}")
    assert codes[0] == {200}, case
    assert codes[1] <= ({201, 503} if is_database else {201}), case
    assert reads <= PROMPT_SECONDS + SLACK_SECONDS + usual, case
    limit = DATABASE_SECONDS if is_database else PROMPT_SECONDS
    assert orders <= limit + SLACK_SECONDS + usual, case


def check_scrapes(shop: Shop, seconds: float, usual: float) -> None:
    """Check that every scrape of the last seconds succeeded in time, as Prometheus saw it."""
    jobs, window = "|".join(name for name in OURS), f"{seconds:.0f}s"
    slowest = shop.query(
        f'max by (job) (max_over_time(scrape_duration_seconds{{job=~"{jobs}"}}[{window}]))'
    )
    report("slowest scrapes: " + " ".join(f"{job} {most:.2f} s" for job, most in slowest.items()))
    assert set(slowest) == set(OURS)
    # It was stopped itself, and a scrape then waits for its name.
    del slowest["payment-provider"]
    assert max(slowest.values()) <= SCRAPE_SECONDS + usual, slowest
    failed = shop.query(f'min by (job) (min_over_time(up{{job=~"{jobs}"}}[{window}])) == 0')
    # A provider that is away cannot be scraped; every other process can.
    assert set(failed) <= {"payment-provider"}, failed
