"""Connections that wait, and parts that have ended: the rest serves, and says what is missing."""

from __future__ import annotations

import json
import os
import resource
import smtplib
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from waitress import wasyncore

from local.console import smtp
from simulators import http_server
from tests.consoles import PORTS, Running, ask
from tools.servers import running, wait_until

CONNECTIONS = 480
IDLE = b""
SLOW_HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
SLOW_BODY = (
    b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100000\r\n\r\n{"
)
SLOW_MAIL = b"EHLO a\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nSubject: "


@dataclass
class Listening:
    """The ports of a console in a process of its own."""

    pages: int
    otlp: int
    mail: int
    prometheus: int
    alertmanager: int
    smtp: int


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """A console that may open 1,024 descriptors, as on most machines."""
    folder = tmp_path_factory.mktemp("console")
    closed = {"PROMETHEUS_SERVER_PORT": "1", "ALERTMANAGER_SERVER_PORT": "1"}
    environ = {"PATH": os.environ["PATH"], "ORDERS_STATE_DIR": str(folder), **closed}
    log = folder / "console.log"
    limited = [
        "sh",
        "-c",
        'ulimit -n 1024 && exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "local.console",
    ]

    def is_ready() -> bool:
        return "listening" in log.read_text()

    with running(limited, log=log, ready=is_ready, env=environ | dict.fromkeys(PORTS, "0")):
        line = next(line for line in log.read_text().splitlines() if "listening" in line)
        values = json.loads(line)
        del values["event"]
        yield Listening(**values)


@pytest.fixture
def open_many() -> Iterator[Callable[[int, bytes], None]]:
    """Open connections to a port, and send the first bytes of a request in each."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, before[1]), before[1]))
    with ExitStack() as stack:

        def open_many(port: int, first: bytes) -> None:
            for _ in range(CONNECTIONS):
                connection = socket.create_connection(("127.0.0.1", port), timeout=20)
                stack.callback(connection.close)
                connection.send(first)

        yield open_many
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def serves(ports: Listening) -> None:
    for port in (ports.pages, ports.otlp, ports.mail):
        assert ask(f"http://127.0.0.1:{port}/livez").body == b"ok"
    for port in (ports.prometheus, ports.alertmanager):
        assert ask(f"http://127.0.0.1:{port}/").status == 502
    answer = ask(f"http://127.0.0.1:{ports.otlp}/v1/traces", b"{}", Content_Type="application/json")
    assert answer.status == 200
    with smtplib.SMTP("127.0.0.1", ports.smtp, timeout=20) as client:
        assert client.sendmail("a@example.org", ["b@example.org"], "Subject: hello\n\ntext") == {}
    assert ask(f"http://127.0.0.1:{ports.mail}/api/mails").json["total"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("first", [IDLE, SLOW_HEAD, SLOW_BODY], ids=["idle", "head", "body"])
def test_connections_that_wait_stop_no_port(
    ports: Listening, open_many: Callable[[int, bytes], None], first: bytes
) -> None:
    for port in (ports.pages, ports.otlp, ports.mail, ports.prometheus, ports.alertmanager):
        open_many(port, first)
    open_many(ports.smtp, SLOW_MAIL if first else IDLE)
    serves(ports)


def test_a_client_that_does_not_read_its_answer_holds_no_thread() -> None:
    """The answer is larger than the sockets' buffers and waitress's own limit of 16 MiB."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = b"x" * (20_000_000 if environ["PATH_INFO"] == "/large" else 1)
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    server = http_server.HttpServer(
        application, name="test", port=0, threads=1, most_connections=10, max_body_bytes=0
    )
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.send(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(8) == b"HTTP/1.1"
            assert ask(f"http://127.0.0.1:{server.port}/").body == b"x"
    finally:
        server.stop()


def test_a_request_that_takes_too_long_to_arrive_is_closed_although_bytes_still_come(
    console: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "REQUEST_SECONDS", 0.5)
    port = console.console.pages_port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.settimeout(0.05)

        def is_closed() -> bool:
            try:
                connection.send(b"X")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        connection.send(b"GET / HTTP/1.1\r\nX: ")
        wait_until(is_closed, 30)


def test_an_endless_line_of_a_mail_ends_its_session(console: Running) -> None:
    with socket.create_connection(("127.0.0.1", console.console.smtp_port), timeout=20) as session:
        session.sendall(SLOW_MAIL)
        with pytest.raises(ConnectionError):
            session.sendall(b"x" * 100_000_000)


def end_loop(server: http_server.HttpServer) -> None:
    server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))


PARTS = {
    "the store's writer has ended": lambda console: console.store._writer.close(),
    "GRAFANA_PORT: the event loop has ended": lambda console: end_loop(console._servers[0]),
    "OTLP_PORT: the event loop has ended": lambda console: end_loop(console._servers[1]),
    "MAIL_PORT: the event loop has ended": lambda console: end_loop(console._servers[2]),
    "SMTP: the event loop has ended": lambda console: console._servers[-1].stop(),
}


@pytest.mark.parametrize("reason", PARTS)
def test_livez_is_red_on_each_port_that_is_left_when_a_part_has_ended(
    console: Running, reason: str
) -> None:
    left = [console.pages, console.otlp, console.mail]
    for url in left:
        assert ask(f"{url}/livez").status == 200
    PARTS[reason](console.console)
    wait_until(lambda: console.console.problem() != "", 20)
    if "PORT" in reason:
        names = ("GRAFANA", "OTLP", "MAIL")
        del left[next(number for number, name in enumerate(names) if reason.startswith(name))]
    for url in left:
        answer = ask(f"{url}/livez")
        assert (answer.status, answer.body.decode()) == (503, reason)


def test_livez_is_red_while_a_loop_does_not_answer(
    console: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "SILENT_SECONDS", 5.0)
    monkeypatch.setattr(smtp, "SILENT_SECONDS", 0.0)
    assert "SMTP: the event loop does not answer" in console.console.problem()
    monkeypatch.setattr(smtp, "SILENT_SECONDS", 60.0)
    monkeypatch.setattr(http_server, "SILENT_SECONDS", -1.0)
    assert "the event loop does not answer" in console.console.problem()
