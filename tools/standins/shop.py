"""Be a customer and an operator of a running compose project, over its published ports."""

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


def ask(url: str, body: object = None, **headers: str) -> tuple[int, Mapping[str, str], Any]:
    """Return status, headers and parsed JSON of an answer; an error status is an answer too."""
    data = None if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, {"content-type": "application/json", **names})
    try:
        answer = urllib.request.urlopen(request, timeout=15)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        is_json = "json" in (answer.headers.get("content-type") or "")
        return answer.status, answer.headers, json.loads(text) if is_json and text else text


@dataclass
class Shop:
    """A running project by the ports that it publishes."""

    ports: Mapping[str, int]

    def url(self, port: str, path: str, **query: str) -> str:
        ending = f"?{urllib.parse.urlencode(query)}" if query else ""
        return f"http://127.0.0.1:{self.ports[port]}{path}{ending}"

    def place_order(self) -> tuple[str, str]:
        """Place an order; return its id and the id of its trace."""
        url = self.url("ORDERS_PORT", "/v1/orders")
        status, headers, body = ask(url, ORDER, idempotency_key=str(uuid.uuid4()))
        assert status == 201, (status, body)
        return body["id"], headers["traceresponse"].split("-")[1]

    def wait_for_status(self, order: str, status: str = "confirmed") -> None:
        url = self.url("ORDERS_PORT", f"/v1/orders/{order}")
        wait_until(lambda: ask(url)[2]["status"] == status, seconds=60, interval=0.2)

    def wait_for_mail(self, order: str) -> None:
        query = f'message-id:"{order}.confirmed@orders.example"'
        url = self.url("MAIL_PORT", "/api/v1/search", query=query)
        wait_until(lambda: ask(url)[2]["messages"], seconds=60, interval=0.5)

    def query(self, promql: str) -> dict[str, float]:
        """Return the values of an instant query by `job`, or by '' where there is none."""
        body = ask(self.url("PROMETHEUS_PORT", "/api/v1/query", query=promql))[2]
        return {r["metric"].get("job", ""): float(r["value"][1]) for r in body["data"]["result"]}

    def wait_for(self, promql: str, seconds: float = 90) -> dict[str, float]:
        """Wait until a query has a result and return it."""
        return wait_until(lambda: self.query(promql), seconds=seconds, interval=1)

    def targets(self) -> dict[str, list[str]]:
        """Return the health of every scraped target by job."""
        health: dict[str, list[str]] = {}
        active = ask(self.url("PROMETHEUS_PORT", "/api/v1/targets"))[2]["data"]["activeTargets"]
        for target in active:
            health.setdefault(target["labels"]["job"], []).append(target["health"])
        return health

    def rules(self) -> list[dict[str, Any]]:
        groups = ask(self.url("PROMETHEUS_PORT", "/api/v1/rules"))[2]["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


PAUSE_SECONDS = 0.03


@dataclass
class Readers:
    """Customers who read one order again and again, and count what they get.

    Together they stay below what the service allows one address (429 is no failure to test here).
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
                outcome = str(ask(self.url)[0])
            except (OSError, HTTPException) as error:
                outcome = type(error).__name__
            with self._lock:
                self.statuses[outcome] = self.statuses.get(outcome, 0) + 1

    def answered(self) -> int:
        return sum(self.statuses.values())

    def more(self, count: int, seconds: float = 30) -> None:
        """Wait until this many further answers have come."""
        before = self.answered()
        wait_until(lambda: self.answered() >= before + count, seconds=seconds)


def settle(seconds: float) -> None:
    """Let a load run; the one place where time itself is what is waited for."""
    time.sleep(seconds)
