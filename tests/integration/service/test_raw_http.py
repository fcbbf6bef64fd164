"""Requests that no HTTP library sends: cut bodies, bad chunks, several at once, no HTTP at all."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import pytest

from service.web.problems import MEDIA_TYPE
from tests.integration.service.orders import an_order
from tools.served_api import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ORDER = json.dumps(an_order()).encode()
CHUNK = b"%x\r\n%b\r\n" % (len(ORDER), ORDER)
READ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory, postgres, cache_server):
    """An API on the session's servers."""
    with serving(tmp_path_factory.mktemp("raw"), postgres, cache_server) as one:
        yield one


def post(framing: bytes, body: bytes, path: bytes = b"/v1/orders") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%b\r\n\r\n"
    return head % (path, framing) + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body)


def length(count: int, body: bytes, path: bytes = b"/v1/orders") -> bytes:
    return post(b"Content-Length: %d" % count, body, path)


@contextmanager
def sent(served: Served, data: bytes, *, ends: bool = False) -> Iterator[BinaryIO]:
    """Send bytes on a connection; yield it for reading. `ends`: the client sends no more."""
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(data)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answers:
            yield answers


def read_answer(answers: BinaryIO) -> tuple[int, str, bytes]:
    """Return status, media type and body of the next answer."""
    status = int(answers.readline().split()[1])
    headers = http.client.parse_headers(answers)
    return status, headers.get_content_type(), answers.read(int(headers["Content-Length"]))


def placed(served: Served) -> float:
    return served.metric("orders_placed_total")


@pytest.mark.parametrize(
    "body",
    [
        b"ZZ\r\n" + CHUNK,
        CHUNK + b"ZZ\r\n",
        CHUNK[:-2] + b"XX0\r\n\r\n",
        CHUNK + b"0\r\nno header\r\n\r\n",
        CHUNK + b"-1\r\n\r\n",
    ],
    ids=["size", "later-size", "end", "trailer", "negative-size"],
)
def test_a_bad_chunk_is_the_clients_error_and_places_nothing(served: Served, body: bytes) -> None:
    before = placed(served)

    with sent(served, chunked(body)) as answers:
        status, kind, text = read_answer(answers)
        assert answers.read() == b"", "a second answer to one request"

    assert (status, kind) == (400, MEDIA_TYPE)
    assert json.loads(text)["detail"].startswith("the body cannot be read: ")
    assert placed(served) == before


@pytest.mark.parametrize(
    "request_",
    [
        length(len(ORDER) + 50, ORDER),
        length(50, b""),
        chunked(CHUNK),
        chunked(b"%x\r\n" % (len(ORDER) + 9) + ORDER),
    ],
    ids=["length", "empty", "chunks", "chunk"],
)
def test_a_body_that_ends_early_is_refused_although_it_is_whole_json(
    served: Served, request_: bytes
) -> None:
    before = placed(served)

    with sent(served, request_, ends=True) as answers:
        status, kind, _ = read_answer(answers)

    assert (status, kind) == (400, MEDIA_TYPE)
    assert placed(served) == before


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 6000), 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: %b\r\n\r\n" % (b"a" * 9000), 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (b"X: a\r\n" * 100), 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nb ad: x\r\n\r\n", 400),
        (post(b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"), 400),
        (post(b"Content-Length: 5x", b"hello"), 400),
        (post(b"Transfer-Encoding: nonsense", b"0\r\n\r\n"), 501),
        (post(b"Expect: nonsense\r\nContent-Length: 5", b"hello"), 417),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
    ids=[
        "line",
        "version",
        "long-line",
        "long-header",
        "many-headers",
        "header",
        "two-framings",
        "length",
        "coding",
        "expectation",
        "tls",
        "http2",
    ],
)
def test_what_gunicorn_cannot_parse_is_a_problem_too(
    served: Served, request_: bytes, status: int
) -> None:
    with sent(served, request_) as answers:
        found, kind, text = read_answer(answers)
        assert answers.read() == b"", "the connection stays open, or has a second answer"

    assert (found, kind) == (status, MEDIA_TYPE)
    problem = json.loads(text)
    assert problem["status"] == status
    assert problem["detail"]


def test_requests_sent_at_once_are_all_answered_in_their_order(served: Served) -> None:
    unknown = length(5, b"hello", b"/unknown")

    whole = READ + length(len(ORDER), ORDER) + unknown + chunked(CHUNK + b"0\r\n\r\n") + READ

    with sent(served, whole) as answers:
        assert [read_answer(answers)[0] for _ in range(5)] == [200, 201, 404, 201, 200]


def test_after_a_body_that_is_too_large_to_skip_the_connection_ends(served: Served) -> None:
    """What follows on it would be taken for a request, though it may be part of the body."""
    with sent(served, length(90_000, b"a" * 90_000, b"/unknown") + READ) as answers:
        assert read_answer(answers)[0] == 404
        assert answers.read() == b""
