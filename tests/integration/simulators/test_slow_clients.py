"""Clients of the payment provider that are slow, idle or too large."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import pytest
import requests

from simulators.payment_provider import MOST_CONNECTIONS
from tests.integration.simulators.test_payment_provider import environment
from tools.servers import ROOT, free_port, running, wait_until

HEAD = b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'{"order_id": "%s", "customer_id": "ada", "amount_cents": 1, "currency": "EUR"}'
KINDS = {
    "idle": b"",
    "slow head": HEAD,
    "slow body": HEAD + b"Content-Length: 90\r\n\r\n{",
    "slow chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5a\r\n{",
}


def post(key: bytes) -> bytes:
    body = BODY % key
    fields = b"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n" % (key, len(body))
    return HEAD + fields + body


@dataclass
class Provider:
    port: int
    log: Path
    connect: Callable[[bytes], socket.socket]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder, port = tmp_path_factory.mktemp("provider"), free_port()
    environ = environment(port, folder) | {"ORDERS_PAYMENT_PROVIDER_THREADS": "2"}
    log = folder / "provider.log"
    with (
        running(
            [sys.executable, "-m", "simulators.payment_provider"],
            log=log,
            ready=lambda: requests.get(f"http://127.0.0.1:{port}/livez", timeout=2).ok,
            env=environ,
            cwd=ROOT,
        ),
        ExitStack() as stack,
    ):

        def connect(first: bytes) -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            stack.callback(connection.close)
            connection.sendall(first)
            return connection

        yield Provider(port, log, connect)


def status(connection: socket.socket | BufferedReader) -> int:
    """The status of the next response; its body is read too."""
    reader = connection.makefile("rb") if isinstance(connection, socket.socket) else connection
    line = reader.readline()
    length = 0
    while header := reader.readline().strip().lower():
        name, _, value = header.partition(b":")
        length = int(value) if name == b"content-length" else length
    reader.read(length)
    return int(line.split()[1])


@pytest.mark.parametrize("kind", KINDS)
def test_slow_and_idle_clients_hold_no_thread(provider: Provider, kind: str) -> None:
    """There are two threads, and more clients than it may have connections."""
    waiting = [provider.connect(KINDS[kind]) for _ in range(MOST_CONNECTIONS + 50)]
    for number in range(5):
        key = f"{kind.replace(' ', '-')}-{number}"
        assert status(provider.connect(post(key.encode()))) == 201
    wait_until(lambda: waiting[0].recv(1) == b"", 20)


def test_a_request_may_arrive_in_pieces(provider: Provider) -> None:
    whole = post(b"pieces")
    connection = provider.connect(b"")
    for start in range(0, len(whole), 7):
        connection.sendall(whole[start : start + 7])
    assert status(connection) == 201


def test_a_request_may_be_chunked(provider: Provider) -> None:
    body = BODY % b"chunked"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    head = HEAD + b"Idempotency-Key: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection = provider.connect(head + chunks)
    connection.sendall(b"0\r\n\r\n")
    assert status(connection) == 201
    connection.sendall(head + b"zz\r\n")
    assert status(connection) == 400


def test_a_connection_is_used_again_and_requests_may_come_at_once(provider: Provider) -> None:
    third = post(b"third")
    connection = provider.connect(post(b"first") + post(b"second") + third[:50])
    reader = connection.makefile("rb")
    assert [status(reader), status(reader)] == [201, 201]
    connection.sendall(third[50:])
    assert status(reader) == 201
    connection.sendall(post(b"first"))
    assert status(reader) == 201


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (HEAD + b"X: " + b"x" * 20_000, 431),
        (HEAD + b"Content-Length: 70000\r\n\r\n", 413),
        (HEAD + b"Content-Length: x\r\n\r\n", 400),
        (HEAD + b"Idempotency-Key: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"\0\r\n\r\n", 400),
    ],
)
def test_what_can_never_be_accepted_is_refused_at_once(
    provider: Provider, request_: bytes, expected: int
) -> None:
    assert status(provider.connect(request_)) == expected


def test_clients_that_do_not_close_their_end_delay_no_other(provider: Provider) -> None:
    began = time.monotonic()
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    connections = [provider.connect(last) for _ in range(50)]
    assert [status(connection) for connection in connections] == [200] * 50
    assert status(provider.connect(post(b"last"))) == 201
    assert time.monotonic() - began < 50


def test_a_client_that_leaves_is_forgotten(provider: Provider) -> None:
    for first in KINDS.values():
        for _ in range(MOST_CONNECTIONS):
            provider.connect(first).close()
    assert status(provider.connect(post(b"after"))) == 201
    assert "Traceback" not in provider.log.read_text()
