"""An open-loop load generator: requests are sent on schedule, answered or not."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass, field

OUTAGE = (OSError, http.client.HTTPException, ValueError)
READS_PER_ORDER = 4
THREADS = 32
TIMEOUT_SECONDS = 10


@dataclass
class Tally:
    """The results of the requests.

    Args:
        seconds: From the moment each request was due to its answer, so that a server that falls
            behind cannot hide it.
        errors: Failures, by status or exception.
    """

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Return this quantile of the response times, in ms."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def arrive(port: int, rate: float, seconds: float, *, reads: int = READS_PER_ORDER) -> Tally:
    """Send orders at this rate, each followed by reads of it.

    Args:
        port: Port of the API.
        rate: Orders per second; reads come on top.
        seconds: Duration.
        reads: Reads per order.
    """
    work: queue.Queue[float | None] = queue.Queue()
    tally, lock = Tally(), threading.Lock()
    threads = [
        threading.Thread(target=_serve, args=(port, work, reads, tally, lock), daemon=True)
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        work.put(due)
    for _ in threads:
        work.put(None)
    for thread in threads:
        thread.join()
    return tally


def _serve(
    port: int, work: queue.Queue[float | None], reads: int, tally: Tally, lock: threading.Lock
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    while (due := work.get()) is not None:
        line = {"sku": "tea", "quantity": 1, "unit_price_cents": 650}
        order = {"customer_id": "customer-load", "currency": "EUR", "items": [line]}
        document = _ask(connection, "/v1/orders", json.dumps(order), due, tally, lock)
        for _ in range(reads if document else 0):
            path = f"/v1/orders/{document['id']}"
            _ask(connection, path, None, time.monotonic(), tally, lock)
    connection.close()


def _ask(
    connection: http.client.HTTPConnection,
    path: str,
    body: str | None,
    due: float,
    tally: Tally,
    lock: threading.Lock,
) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    try:
        connection.request("POST" if body else "GET", path, body, headers if body else {})
        response = connection.getresponse()
        document = json.loads(response.read())
        problem = "" if response.status in {200, 201} else str(response.status)
    except OUTAGE as error:
        connection.close()
        document, problem = {}, type(error).__name__
    with lock:
        tally.seconds.append(time.monotonic() - due)
        if problem:
            tally.errors.append(problem)
    return {} if problem else dict(document)
