"""Requests that pages of other sites cause: no port of the console serves them."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.consoles import Running, ask
from tools.other_sites import INVENTED, SILENCE, wrong_answers

JSON = {"content_type": "application/json"}


@pytest.mark.parametrize(
    ("port", "path"), [("pages", "/livez"), ("otlp", "/livez"), ("mail", "/api/mails")]
)
def test_a_port_serves_no_other_site(console: Running, port: str, path: str) -> None:
    assert wrong_answers(getattr(console.console, f"{port}_port"), path) == []


def test_alertmanager_is_forwarded_but_to_no_page_of_another_site(
    guarded: tuple[Running, str],
) -> None:
    console, own = guarded
    port = console.console.alertmanager_port
    url = f"http://127.0.0.1:{port}"
    assert wrong_answers(port, "/-/ready") == []
    silence = json.dumps(SILENCE).encode()
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        assert ask(f"{url}/api/v2/silences", silence, **JSON, **headers).status in {403, 421}
        alert = json.dumps(INVENTED).encode()
        assert ask(f"{url}/api/v2/alerts", alert, **JSON, **headers).status in {403, 421}
    assert ask(f"{url}/api/v2/silences").json == []
    assert ask(f"{url}/api/v2/alerts").json == []
    for path in ("/-/ready", "/api/v2/silences", "/"):
        assert ask(f"{own}{path}").status == 401
        assert ask(f"{own}{path}", Authorization="Basic YTpi").status == 401
    page = {"Origin": url}
    made = ask(f"{url}/api/v2/silences", silence, **JSON, **page).json["silenceID"]
    assert console.json("/api/alertmanager/api/v2/silences")[0]["id"] == made
    assert ask(f"{url}/api/v2/silence/{made}", method="DELETE", **page).status == 200


def test_a_forwarded_server_that_is_down_is_a_502(start_console: Callable[..., Running]) -> None:
    port = start_console(PROMETHEUS_SERVER_PORT="1").console.prometheus_port
    assert ask(f"http://127.0.0.1:{port}/api/v1/query?query=up").status == 502


def test_the_name_in_the_setting_is_served(start_console: Callable[..., Running]) -> None:
    pages = start_console(TRUSTED_HOSTS="sightline.example").pages
    request = urllib.request.Request(f"{pages}/livez", headers={"Host": "sightline.example"})
    assert urllib.request.urlopen(request, timeout=20).status == 200


def test_a_page_cannot_send_a_mail(console: Running) -> None:
    """A request to the port of a mail server is one line of nonsense each, until its body."""
    body = "EHLO a\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nSubject: [FIRING:1]\r\n\r\n.\r\n"
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", console.console.smtp_port), timeout=20) as page:
        page.sendall(f"{head}{body}QUIT\r\n".encode())
        with suppress(ConnectionError):
            while page.recv(1000):
                pass
    assert console.json("/api/mails")["total"] == 0
