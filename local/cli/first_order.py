"""Wait until the console shows the first order, as a person would see it."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import suppress
from urllib.parse import urlencode

from observability.instrumentation.semconv import ATTR_HTTP_RESPONSE_STATUS_CODE
from service.semconv import ORDERS

PATIENCE_SECONDS = 60
POLL_SECONDS = 0.2


def wait_for_first_order(port: int, since: float) -> float | None:
    """Wait until the console shows the trace of an order that was placed after `since`.

    Args:
        port: Port of the console.
        since: Seconds since the epoch.

    Returns:
        Seconds since the epoch at which it was seen; None if it was not within a minute.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError, http.client.HTTPException):
            if _orders(port, since):
                return time.time()
        time.sleep(POLL_SECONDS)
    return None


def _orders(port: int, since: float) -> list[object]:
    query = {
        "service": ORDERS,
        "operation": "POST /v1/orders",
        "attr": f"{ATTR_HTTP_RESPONSE_STATUS_CODE}=201",
        "from": f"{since:.0f}",
        "limit": "1",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/api/traces?{urlencode(query)}")
        answer = connection.getresponse()
        found = json.loads(answer.read())
        traces: list[object] = found.get("traces", []) if answer.status == 200 else []
        return traces
    finally:
        connection.close()
