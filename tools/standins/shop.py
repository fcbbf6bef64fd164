"""Requests of a customer and an operator to a running project, over its published ports."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from tools.servers import wait_until

ORDER = {
    "customer_id": "customer-compose",
    "currency": "EUR",
    "items": [{"sku": "LAMP-1", "quantity": 2, "unit_price_cents": 1250}],
}


def request(url: str, body: object = None, **headers: str) -> tuple[int, Mapping[str, str], Any]:
    """Return status, headers and parsed JSON of a response, also of an error."""
    data = None if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    prepared = urllib.request.Request(url, data, {"content-type": "application/json", **names})
    try:
        answer = urllib.request.urlopen(prepared, timeout=15)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        is_json = "json" in (answer.headers.get("content-type") or "")
        return answer.status, answer.headers, json.loads(text) if is_json and text else text


@dataclass
class Shop:
    """A running project.

    Args:
        ports: Published ports by their variable, such as `ORDERS_PORT`.
    """

    ports: Mapping[str, int]

    def url(self, port: str, path: str, **query: str) -> str:
        """Return an address at a published port."""
        ending = f"?{urllib.parse.urlencode(query)}" if query else ""
        return f"http://127.0.0.1:{self.ports[port]}{path}{ending}"

    def place_order(self) -> tuple[str, str]:
        """Place an order; return its id and the id of its trace."""
        url = self.url("ORDERS_PORT", "/v1/orders")
        status, headers, body = request(url, ORDER, idempotency_key=str(uuid.uuid4()))
        assert status == 201, (status, body)
        return body["id"], headers["traceresponse"].split("-")[1]

    def wait_for_status(self, order: str, status: str = "confirmed") -> None:
        """Wait until an order has a status."""
        url = self.url("ORDERS_PORT", f"/v1/orders/{order}")
        wait_until(lambda: request(url)[2]["status"] == status, seconds=60, interval=0.2)

    def wait_for_mail(self, order: str) -> None:
        """Wait until the confirmation mail of an order has arrived."""
        query = f'message-id:"{order}.confirmed@orders.example"'
        url = self.url("MAIL_PORT", "/api/v1/search", query=query)
        wait_until(lambda: request(url)[2]["messages"], seconds=60, interval=0.5)

    def query(self, promql: str) -> dict[str, float]:
        """Return the values of an instant query by `job`, or by '' without that label."""
        body = request(self.url("PROMETHEUS_PORT", "/api/v1/query", query=promql))[2]
        return {r["metric"].get("job", ""): float(r["value"][1]) for r in body["data"]["result"]}

    def wait_for(self, promql: str, seconds: float = 90) -> dict[str, float]:
        """Wait until a query has a result; return it."""
        return wait_until(lambda: self.query(promql), seconds=seconds, interval=1)

    def targets(self) -> dict[str, list[str]]:
        """Return the health of every scraped target by job."""
        health: dict[str, list[str]] = {}
        active = request(self.url("PROMETHEUS_PORT", "/api/v1/targets"))[2]["data"]["activeTargets"]
        for target in active:
            health.setdefault(target["labels"]["job"], []).append(target["health"])
        return health

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule that Prometheus has loaded."""
        groups = request(self.url("PROMETHEUS_PORT", "/api/v1/rules"))[2]["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


PAUSE_SECONDS = 0.03


@dataclass
class Readers:
    """Threads that read one order in a loop and count the responses by status.

    Together they stay below the rate limit of one address, so that no read is answered 429.

    Args:
        url: The address of the order.
        threads: Number of threads.
        statuses: Responses by status, or by class of error.
    """

    url: str
    threads: int = 6
    statuses: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Readers:
        self._workers = [threading.Thread(target=self._read) for _ in range(self.threads)]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.join()

    def _read(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            try:
                outcome = str(request(self.url)[0])
            except (OSError, HTTPException) as error:
                outcome = type(error).__name__
            with self._lock:
                self.statuses[outcome] = self.statuses.get(outcome, 0) + 1

    def answered(self) -> int:
        """Return the number of responses."""
        return sum(self.statuses.values())

    def wait_for(self, count: int, seconds: float = 30) -> None:
        """Wait for this many further responses."""
        before = self.answered()
        wait_until(lambda: self.answered() >= before + count, seconds=seconds)


def settle(seconds: float) -> None:
    """Sleep while a load runs, or before the next attempt."""
    time.sleep(seconds)
