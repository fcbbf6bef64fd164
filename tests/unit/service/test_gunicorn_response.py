"""A small answer leaves in one send: a proxy gets it whole or not at all."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi

from service.web.gunicorn_response import WholeResponse, replace_responses, write_problem


class Socket:
    """Remember each send."""

    def __init__(self) -> None:
        self.sends: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.sends.append(data)


def respond(*parts: bytes, length: int | None) -> list[bytes]:
    """Answer with these parts of a body; return what was sent."""
    sock = Socket()
    request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
    response = WholeResponse(request, sock, Config())
    headers = [("Content-Type", "text/plain")]
    if length is not None:
        headers.append(("Content-Length", str(length)))
    response.start_response("200 OK", headers)
    for part in parts:
        response.write(part)
    response.close()
    return sock.sends


def test_head_and_body_leave_together():
    (sent,) = respond(b"hello", length=5)
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent.endswith(b"\r\n\r\nhello")


def test_later_parts_of_a_long_body_follow():
    first, second = respond(b"hello", b" world", length=11)
    assert first.endswith(b"\r\n\r\nhello")
    assert second == b" world"


def test_a_body_of_unknown_length_is_still_sent_in_chunks():
    first, end = respond(b"hello", length=None)
    assert first.endswith(b"\r\n\r\n5\r\nhello\r\n")
    assert end == b"0\r\n\r\n"


def test_an_answer_without_a_body_has_its_head():
    (sent,) = respond(length=0)
    assert sent.endswith(b"Content-Length: 0\r\n\r\n")


def test_gunicorn_responds_in_these_ways_once_it_is_patched(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wsgi, "Response", wsgi.Response)
    monkeypatch.setattr(util, "write_error", util.write_error)
    replace_responses()
    assert wsgi.Response is WholeResponse
    assert util.write_error is write_problem
