"""A local system whose dependencies are behind gates."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tools.chaos.system import LocalSystem, running_system
from tools.free_ports import free_port_variables
from tools.outages.gates import Gate, open_gates
from tools.outages.hook.sitecustomize import DOMAIN

PORTS = {
    "postgres": "ORDERS_DATABASE_PORT",
    "cache": "ORDERS_CACHE_PORT",
    "broker": "ORDERS_BROKER_PORT",
    "payment-provider": "ORDERS_PAYMENT_PROVIDER_PORT",
    "smtp": "ORDERS_SMTP_PORT",
    "collector": "OTLP_PORT",
}
SCRAPED = {
    "orders": "ORDERS_METRICS_PORT",
    "orders-worker": "ORDERS_WORKER_METRICS_PORT",
    "orders-relay": "ORDERS_RELAY_METRICS_PORT",
    "payment-provider": "ORDERS_PAYMENT_PROVIDER_METRICS_PORT",
}
LIVE = {"orders": "ORDERS_PORT", "payment-provider": "ORDERS_PAYMENT_PROVIDER_PORT"}
ORDER = {
    "customer_id": "customer-outage",
    "currency": "EUR",
    "items": [{"sku": "LAMP-1", "quantity": 2, "unit_price_cents": 1250}],
}
REQUEST_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """The response to one request; status 0 is a timeout or a broken connection."""

    status: int
    seconds: float
    text: str = ""


@dataclass
class System:
    """A running system and its gates by dependency."""

    local: LocalSystem
    gates: Mapping[str, Gate]

    def ask(self, port: str, path: str, body: object = None) -> Answer:
        """Send a GET, or a POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "idempotency-key": str(uuid.uuid4())}
        url = f"http://127.0.0.1:{self.local.port(port)}{path}"
        request = urllib.request.Request(url, data, headers)
        started = time.monotonic()
        try:
            answer = urllib.request.urlopen(request, timeout=REQUEST_SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        except (OSError, HTTPException) as error:
            return Answer(0, time.monotonic() - started, repr(error))
        try:
            with answer:
                text = answer.read().decode()
        except (OSError, HTTPException) as error:
            return Answer(0, time.monotonic() - started, repr(error))
        return Answer(answer.status, time.monotonic() - started, text)

    def place(self) -> Answer:
        """Place an order."""
        return self.ask("ORDERS_PORT", "/v1/orders", ORDER)

    def read(self, order: str) -> Answer:
        """Read an order."""
        return self.ask("ORDERS_PORT", f"/v1/orders/{order}")

    def scrape(self, process: str) -> Answer:
        """Scrape a process."""
        return self.ask(SCRAPED[process], "/metrics")

    def live(self, process: str) -> Answer:
        """Ask a process whether it lives."""
        return self.ask(LIVE[process], "/livez")

    def alerts(self) -> list[dict[str, Any]]:
        """Return what Prometheus holds as pending or firing."""
        found = json.loads(self.ask("PROMETHEUS_PORT", "/api/v1/alerts").text)
        alerts: list[dict[str, Any]] = found["data"]["alerts"]
        return alerts

    def firing(self, since: float = 0.0) -> set[str]:
        """Return the names of the alerts that fire, the heartbeat left out.

        Args:
            since: Seconds since the epoch; an alert that was pending before is left out.
        """
        return {
            alert["labels"]["alertname"]
            for alert in self.alerts()
            if alert["state"] == "firing"
            and datetime.fromisoformat(alert["activeAt"]).timestamp() >= since
        } - {"Watchdog"}


@contextmanager
def gated_system(load: int = 0) -> Iterator[System]:
    """Start a local system behind gates; remove it at the end.

    Args:
        load: Requests per second of the simulated customers.
    """
    hook = Path(__file__).parent / "hook"
    ports = free_port_variables()
    with tempfile.TemporaryDirectory(prefix="gone-") as folder:
        by_name = {name: int(ports[variable]) for name, variable in PORTS.items()}
        changes = {
            **ports,
            "OUTAGES_FOLDER": folder,
            "PYTHONPATH": str(hook),
            "TRUSTED_HOSTS": DOMAIN,
            "ORDERS_LOAD_RATE": str(load),
            "ORDERS_RATE_LIMIT": "300",
        }
        with (
            open_gates(by_name, Path(folder)) as gates,
            running_system(Path("build/outages"), changes) as local,
        ):
            yield System(local, gates)
