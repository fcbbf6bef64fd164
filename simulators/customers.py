"""The load generator: customers who send a steady, mixed load to the orders API, by Locust.

Run it with `python -m simulators.customers`; nothing imports it, since Locust patches the whole
process. They wait until the service answers, and stop at TERM.
"""

from __future__ import annotations

import logging
import math
import random
import signal
import sys
import time
import urllib.request
import uuid
from collections import deque
from types import ModuleType
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from geventhttpclient.client import HTTPClientPool

from observability.instrumentation.logs import configure_logging
from simulators.load import read_rate
from simulators.settings import CustomersSettings

# Locust's web interface is never opened, and would load Flask: a fifth of this process's memory.
sys.modules["locust.web"] = web = ModuleType("locust.web")
web.WebUI = None  # type: ignore[attr-defined]

from locust import FastHttpUser, task  # noqa: E402
from locust.env import Environment  # noqa: E402
from locust.runners import LocalRunner  # noqa: E402

logger = logging.getLogger("customers")

# How long a request may take before the arrival rate falls.
PATIENCE_SECONDS = 2.0
REPORT_SECONDS = 60.0
CUSTOMERS = [f"customer-{number:04d}" for number in range(500)]
# A few customers buy most: the n-th has weight 1/n.
WEIGHTS = [1 / (number + 1) for number in range(len(CUSTOMERS))]
GOODS = (("coffee", 1290), ("tea", 650), ("grinder", 8900), ("filter", 390), ("mug", 1450))
INVALID_ORDERS: tuple[Any, ...] = (
    {},
    {"customer_id": "customer-0001", "currency": "EUR", "items": []},
    {"customer_id": "customer-0001", "currency": "XXX", "items": [{"sku": "tea"}]},
    {"customer_id": 7, "items": "all of it"},
)
RESEND_SHARE = 0.03
# New orders are read most; this many back on average.
MEAN_ORDERS_BACK = 12.0

orders: deque[str] = deque(maxlen=300)
dice = random.Random()  # noqa: S311 - customers need no secrets


class Customer(FastHttpUser):
    """A customer who sends one request at a time, at a share of the whole rate."""

    rate: ClassVar[float] = 1.0
    number: ClassVar[int] = 1
    connection_timeout = 5.0
    network_timeout = 10.0
    client_pool = HTTPClientPool(concurrency=64)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._due = time.monotonic() - dice.random() * self._interval

    @property
    def _interval(self) -> float:
        return self.number / self.rate

    def wait_time(self) -> float:
        """Return the seconds until the next request; a late customer does not catch up."""
        now = time.monotonic()
        self._due = max(self._due + self._interval, now)
        return self._due - now

    def on_start(self) -> None:
        """Start at a random moment, so that customers do not start together."""
        gevent.sleep(self.wait_time())

    @task(20)
    def place_order(self) -> None:
        """Place an order; sometimes send it twice, as a client does when a response gets lost."""
        lines = dice.sample(GOODS, dice.randint(1, 3))
        items = [
            {"sku": sku, "quantity": dice.randint(1, 3), "unit_price_cents": cents}
            for sku, cents in lines
        ]
        order = {"customer_id": random_customer(), "currency": "EUR", "items": items}
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        for _ in range(1 + (dice.random() < RESEND_SHARE)):
            answer = self._call("POST", "/v1/orders", {200, 201}, json=order, headers=headers)
        if answer.status_code in {200, 201}:
            orders.append(answer.json()["id"])

    @task(52)
    def read_order(self) -> None:
        """Read an order, most likely a new one."""
        if orders:
            self._call("GET", f"/v1/orders/{recent_order()}", {200}, name="/v1/orders/{id}")

    @task(18)
    def list_orders(self) -> None:
        """List the orders of one customer."""
        path = f"/v1/orders?customer_id={random_customer()}&limit=20"
        self._call("GET", path, {200}, name="/v1/orders")

    @task(4)
    def cancel_order(self) -> None:
        """Cancel an order, which is sometimes too late."""
        if orders:
            path = f"/v1/orders/{recent_order()}/cancel"
            self._call("POST", path, {200, 409}, name="/v1/orders/{id}/cancel")

    @task(3)
    def read_missing_order(self) -> None:
        """Read an order that does not exist."""
        self._call("GET", f"/v1/orders/{uuid.uuid4()}", {404}, name="/v1/orders/{id}")

    @task(3)
    def place_invalid_order(self) -> None:
        """Send an order that the service must reject."""
        self._call("POST", "/v1/orders", {400, 422}, json=dice.choice(INVALID_ORDERS))

    def _call(self, method: str, path: str, expected: set[int], **more: Any) -> Any:
        """Send a request; an unexpected status, except 429, counts as a failure."""
        with self.client.request(method, path, catch_response=True, **more) as answer:
            if answer.status_code in {429, *expected}:
                answer.success()
            else:
                answer.failure(f"status {answer.status_code}")
            return answer


def random_customer() -> str:
    """Return a customer's id; a few customers are chosen most often."""
    return dice.choices(CUSTOMERS, WEIGHTS)[0]


def recent_order() -> str:
    """Return an order's id, more likely a newer one."""
    back = int(dice.expovariate(1 / MEAN_ORDERS_BACK))
    return orders[-1 - min(back, len(orders) - 1)]


def wait_for(url: str) -> None:
    """Wait until the service answers."""
    while True:
        try:
            urllib.request.urlopen(f"{url}/livez", timeout=2).close()  # noqa: S310
        except OSError:
            gevent.sleep(0.5)
        else:
            return


def follow_rate(runner: LocalRunner, settings: CustomersSettings) -> None:
    """Run as many customers as the rate in the load file needs."""
    wait_for(settings.url)
    current: float | None = None
    while True:
        rate = read_rate(settings.load_file, settings.load_rate)
        if rate != current:
            logger.info("the rate is set", extra={"requests_per_second": rate})
            current = rate
            set_rate(runner, rate)
        gevent.sleep(1)


def set_rate(runner: LocalRunner, rate: float) -> None:
    """Start enough customers that none is late."""
    if not rate:
        runner.stop()
        return
    Customer.rate, Customer.number = rate, max(1, math.ceil(rate * PATIENCE_SECONDS))
    runner.start(Customer.number, spawn_rate=max(20.0, rate))


def report(environment: Environment) -> None:
    """Log statistics once a minute and reset them, so that they do not grow."""
    while True:
        gevent.sleep(REPORT_SECONDS)
        total = environment.stats.total
        seen = {
            "requests": total.num_requests,
            "failures": total.num_failures,
            "p95_ms": total.get_response_time_percentile(0.95) or 0,
        }
        logger.info("customers were served", extra=seen)
        environment.stats.clear_all()


def main() -> int:
    """Generate load until TERM; return the exit code."""
    settings = CustomersSettings.from_env_or_exit()
    configure_logging(settings.telemetry)
    environment = Environment(user_classes=[Customer], host=settings.url)
    runner = environment.create_local_runner()
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopped.set)
    helpers = [gevent.spawn(follow_rate, runner, settings), gevent.spawn(report, environment)]
    stopped.wait()
    gevent.killall(helpers)
    runner.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
