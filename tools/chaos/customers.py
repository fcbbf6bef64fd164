"""Customers that retry until they get an answer, and record every answer."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

OUTAGE = (OSError, http.client.HTTPException, ValueError)
CANCEL_RATIO = 0.12
READ_RATIO = 0.5


@dataclass
class Memory:
    """The answers that all customers got.

    Args:
        accepted: Ids of accepted orders.
        cancelled: Ids whose cancellation was confirmed.
        unanswered: Idempotency keys of orders without an answer so far.
        unexpected: Answers that must never occur.
    """

    accepted: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Customers:
    """Place orders at a steady rate from several threads until stopped.

    Args:
        port: Port of the API.
        rate: New orders per second, all threads together.
        seed: Seed of all random choices.
    """

    def __init__(self, port: int, rate: float, seed: int, threads: int = 8) -> None:
        self.memory = Memory()
        self._port = port
        self._interval = threads / rate
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._threads = [
            threading.Thread(target=self._buy, args=(random.Random(seed + n), n), daemon=True)
            for n in range(threads)
        ]

    def start(self) -> None:
        """Start placing orders."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Place no new orders; keep retrying the open ones for at most this long."""
        self._stopping.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        self._giving_up.set()

    def _buy(self, dice: random.Random, number: int) -> None:
        due = time.monotonic() + dice.random() * self._interval
        mine: list[str] = []
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._interval, time.monotonic() - 5)
            if order := self._place(dice, number):
                mine.append(order)
            if mine and dice.random() < READ_RATIO:
                self._ask(f"/v1/orders/{dice.choice(mine[-20:])}", None, {}, {200})
            if mine and dice.random() < CANCEL_RATIO:
                self._cancel(mine.pop(dice.randrange(max(0, len(mine) - 10), len(mine))))

    def _place(self, dice: random.Random, number: int) -> str | None:
        key = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        line = {"sku": "tea", "quantity": dice.randint(1, 5), "unit_price_cents": 650}
        order = {"customer_id": f"chaos-{number}", "currency": "EUR", "items": [line]}
        with self.memory.lock:
            self.memory.unanswered.add(key)
        answer = self._insist("/v1/orders", order, {"Idempotency-Key": key}, {200, 201})
        if answer is None:
            return None
        with self.memory.lock:
            self.memory.unanswered.discard(key)
            self.memory.accepted.add(answer["id"])
        return str(answer["id"])

    def _cancel(self, order_id: str) -> None:
        answer = self._insist(f"/v1/orders/{order_id}/cancel", {}, {}, {200, 409})
        if answer and answer.get("status") == "cancelled":
            with self.memory.lock:
                self.memory.cancelled.add(order_id)

    def _insist(
        self, path: str, body: dict[str, Any], headers: dict[str, str], expected: set[int]
    ) -> dict[str, Any] | None:
        """Retry until there is an expected answer or the run gives up."""
        while not self._giving_up.is_set():
            answer = self._ask(path, body, headers, expected)
            if answer is not None:
                return answer
            self._giving_up.wait(0.5)
        return None

    def _ask(
        self, path: str, body: dict[str, Any] | None, headers: dict[str, str], expected: set[int]
    ) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            text = None if body is None else json.dumps(body)
            more = {"Content-Type": "application/json", **headers} if text else headers
            connection.request("GET" if body is None else "POST", path, text, more)
            response = connection.getresponse()
            document = json.loads(response.read())
        except OUTAGE:
            with self.memory.lock:
                self.memory.failures += 1
            return None
        finally:
            connection.close()
        if response.status in expected:
            return dict(document)
        with self.memory.lock:
            self.memory.failures += 1
            if response.status not in {429, 502, 503, 504}:
                self.memory.unexpected.append(f"{path} answered {response.status}: {document}")
        return None
