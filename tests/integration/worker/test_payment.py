"""The payment client, against a real HTTP server that misbehaves on request."""

from __future__ import annotations

import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
import requests

from service.orders import Currency, Item, place
from worker.clients import payment
from worker.clients.circuit_breaker import MAX_FAILURES, SharedCircuitBreaker
from worker.clients.payment import PaymentAnswer, PaymentClient, PaymentResult, is_outage
from worker.errors import CircuitOpenError, PaymentRefusedError, PaymentUnavailableError

ORDER_ID = UUID("11111111-2222-3333-4444-555555555555")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDER = place(ORDER_ID, "customer-7", [Item("tea", 2, 650)], Currency.EUR, NOW)


class Provider(ThreadingHTTPServer):
    """Answer each request with the next of `answers`; the last one stays."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str | None, dict]] = []
        self.answers: list = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def log_message(self, *args) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers.get("Idempotency-Key"), body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if answer == "hang":
            time.sleep(1.0)
            answer = (201, {"id": "late", "state": "succeeded"}, {})
        status, document, headers = answer
        text = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def provider():
    with Provider() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def breaker():
    return SharedCircuitBreaker("payment-provider", is_outage, lambda *_: None)


@pytest.fixture
def client(provider, breaker):
    with requests.Session() as session:
        yield PaymentClient(provider.url, breaker, session)


def test_a_charge_carries_the_order_and_a_key_made_of_its_id(client, provider):
    provider.answers = [(201, {"id": "ch_1", "state": "succeeded"}, {})]
    assert client.charge(ORDER) == PaymentAnswer(PaymentResult.SUCCEEDED, "ch_1")
    body = {
        "order_id": str(ORDER_ID),
        "amount_cents": 1300,
        "currency": "EUR",
        "customer_id": "customer-7",
    }
    assert provider.requests == [("/v1/charges", f"{ORDER_ID}:charge", body)]


@pytest.mark.parametrize(
    ("status", "document", "result"),
    [
        (402, {"state": "declined", "reason": "no money"}, PaymentResult.DECLINED),
        (409, {"state": "voided"}, PaymentResult.VOIDED),
    ],
)
def test_what_the_provider_decides_is_an_answer(
    client, provider, breaker, status, document, result
):
    provider.answers = [(status, document, {})]
    for _ in range(2 * MAX_FAILURES):
        assert client.charge(ORDER) == PaymentAnswer(result, None)
    assert breaker.state == "closed"


def test_a_refund_of_an_unknown_charge_is_void(client, provider):
    provider.answers = [(201, {"id": "vo_1", "state": "voided"}, {})]
    assert client.refund(ORDER_ID) == PaymentAnswer(PaymentResult.VOIDED, "vo_1")
    assert provider.requests == [("/v1/refunds", f"{ORDER_ID}:refund", {"order_id": str(ORDER_ID)})]


def test_a_broken_connection_is_retried_once_with_the_same_key(client, provider):
    provider.answers = ["reset", (201, {"id": "ch_1", "state": "succeeded"}, {})]
    assert client.charge(ORDER).result is PaymentResult.SUCCEEDED
    assert [key for _, key, _ in provider.requests] == [f"{ORDER_ID}:charge"] * 2


def test_a_timeout_is_not_retried_at_once(client, provider, monkeypatch):
    monkeypatch.setattr(payment, "READ_SECONDS", 0.1)
    provider.answers = ["hang"]
    with pytest.raises(PaymentUnavailableError, match="ReadTimeout"):
        client.charge(ORDER)
    assert len(provider.requests) == 1


def test_a_provider_that_does_not_listen_is_unavailable(breaker):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with requests.Session() as session, pytest.raises(PaymentUnavailableError):
            PaymentClient(url, breaker, session).charge(ORDER)


def test_a_server_that_does_not_accept_is_asked_once(breaker, monkeypatch):
    monkeypatch.setattr(payment, "CONNECT_SECONDS", 0.3)
    with socket.socket() as busy, socket.socket() as first, socket.socket() as second:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(busy.getsockname())
        url = f"http://127.0.0.1:{busy.getsockname()[1]}"
        began = time.monotonic()
        with requests.Session() as session, pytest.raises(PaymentUnavailableError):
            PaymentClient(url, breaker, session).charge(ORDER)
        assert time.monotonic() - began < 0.55


def test_a_redirect_is_not_followed(client, provider):
    provider.answers = [(307, {}, {"Location": f"{provider.url}/elsewhere"})]
    with pytest.raises(PaymentUnavailableError, match="307"):
        client.charge(ORDER)
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "status", [202, 204, 302, 401, 403, 404, 405, 407, 408, 410, 429, 500, 599]
)
def test_a_status_that_decides_nothing_is_unavailable(client, provider, status):
    provider.answers = [(status, {}, {})]
    with pytest.raises(PaymentUnavailableError, match=str(status)):
        client.refund(ORDER_ID)


def test_503_is_unavailable_and_its_retry_after_is_kept(client, provider):
    provider.answers = [(503, {}, {"Retry-After": "7"})]
    with pytest.raises(PaymentUnavailableError) as caught:
        client.charge(ORDER)
    assert caught.value.retry_after == timedelta(seconds=7)


def test_a_response_without_a_state_is_unavailable(client, provider):
    provider.answers = [(201, ["surprise"], {})]
    with pytest.raises(PaymentUnavailableError, match="without a state"):
        client.charge(ORDER)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_request_that_the_provider_refuses_is_refused_for_good(client, provider, breaker, status):
    provider.answers = [(status, {"title": "key reused"}, {})]
    for _ in range(2 * MAX_FAILURES):
        with pytest.raises(PaymentRefusedError, match=f"{status}: .*key reused"):
            client.charge(ORDER)
    assert breaker.state == "closed"


def test_after_five_outages_the_provider_is_not_asked_until_the_next_probe(client, provider):
    provider.answers = [(503, {}, {})]
    for _ in range(MAX_FAILURES):
        with pytest.raises(PaymentUnavailableError):
            client.charge(ORDER)
    with pytest.raises(CircuitOpenError) as caught:
        client.charge(ORDER)
    assert len(provider.requests) == MAX_FAILURES
    assert timedelta(seconds=5) < caught.value.retry_after <= timedelta(seconds=10)
