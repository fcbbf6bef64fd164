"""A running system, with the requests of the end-to-end tests."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.servers import ROOT

CUSTOMER = "customer-ada"


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class System:
    """A running local mode, by its environment and its state folder."""

    environ: Mapping[str, str]
    state: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m local` with these words."""
        command = [sys.executable, "-m", "local", *words]
        return subprocess.run(
            command,
            check=False,
            env=dict(self.environ),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def url(self, port_variable: str, path: str, **query: object) -> str:
        base = f"http://127.0.0.1:{self.environ[port_variable]}{path}"
        return f"{base}?{urllib.parse.urlencode(query)}" if query else base

    def ask(self, method: str, url: str, body: object = None, **headers: str) -> Answer:
        """Send a request; an error status is an answer like any other."""
        data = None if body is None else json.dumps(body).encode()
        words = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            words.setdefault("content-type", "application/json")
        request = urllib.request.Request(url, data=data, method=method, headers=words)
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            kind = answer.headers.get_content_type()
            parsed = json.loads(text) if kind.endswith("json") and text else text
            return Answer(answer.status, answer.headers, parsed)

    def place_order(self, trace_id: str, **more: Any) -> dict[str, Any]:
        """Place an order within a trace that the caller started."""
        order = {
            "customer_id": CUSTOMER,
            "currency": "EUR",
            "items": [{"sku": "LAMP-1", "quantity": 2, "unit_price_cents": 1250}],
            **more,
        }
        answer = self.ask(
            "POST",
            self.url("ORDERS_PORT", "/v1/orders"),
            order,
            traceparent=f"00-{trace_id}-00f067aa0ba902b7-01",
            idempotency_key=str(uuid.uuid4()),
        )
        assert answer.status == 201, answer
        return answer.body

    def order(self, order_id: str) -> dict[str, Any]:
        return self.ask("GET", self.url("ORDERS_PORT", f"/v1/orders/{order_id}")).body

    def trace(self, trace_id: str) -> dict[str, Any]:
        return self.ask("GET", self.url("GRAFANA_PORT", f"/api/traces/{trace_id}")).body

    def log_lines(self, trace_id: str) -> list[dict[str, Any]]:
        url = self.url("GRAFANA_PORT", "/api/logs", trace_id=trace_id, limit=500)
        return self.ask("GET", url).body["lines"]

    def mails(self, order_id: str) -> list[dict[str, Any]]:
        return self.ask("GET", self.url("MAIL_PORT", "/api/mails", order_id=order_id)).body["mails"]

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the instant vector of a PromQL query: label sets and values."""
        url = self.url("PROMETHEUS_PORT", "/api/v1/query", query=promql)
        answer = self.ask("GET", url).body
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def value(self, promql: str) -> float:
        """Return the one value of a query; 0 when there is no series."""
        result = self.query(promql)
        return float(result[0]["value"][1]) if result else 0.0
