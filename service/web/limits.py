"""Limits of a request: bytes, depth and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestHeaderFieldsTooLarge

if TYPE_CHECKING:
    from flask import Flask, Request

LARGEST_BODY_BYTES = 64 * 1024
LARGEST_HEADERS_BYTES = 16 * 1024
DEEPEST_JSON = 8


def check_headers(request: Request) -> None:
    """Refuse a request whose headers are larger than any legitimate client's."""
    pairs = request.environ.items()
    size = sum(len(name) + len(value) for name, value in pairs if name.startswith("HTTP_"))
    if size > LARGEST_HEADERS_BYTES:
        raise RequestHeaderFieldsTooLarge


def limit_bodies(app: Flask) -> None:
    """Refuse bodies above the limit for the whole app."""
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES + 1


def read_body(request: Request) -> bytes:
    """Return a request's body, whole.

    werkzeug cuts a body without a Content-Length at its limit instead of refusing it. So its limit
    is one byte above ours, and a body that has this byte is refused. It also takes a body that ends
    early, since gunicorn marks the end of each, and leaves an error of a chunk to us.

    Raises:
        RequestEntityTooLarge: It is larger than the limit.
        BadRequest: It ends before its Content-Length, or its chunks are not as HTTP says.
    """
    try:
        body = request.get_data(cache=False)
    except ParseException as error:
        raise BadRequest(f"the body cannot be read: {error}") from None
    if len(body) > LARGEST_BODY_BYTES:
        raise RequestEntityTooLarge
    if len(body) < (request.content_length or 0):
        expected = f"its Content-Length is {request.content_length}"
        raise BadRequest(f"the body ends after {len(body)} bytes, and {expected}")
    return body


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text, or raise BadRequest; depth is limited."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST_JSON:
            raise BadRequest(f"the body is nested deeper than {DEEPEST_JSON} levels")
        level = [inner for outer in level for inner in _inside(outer)]
    return value


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [inner for inner in value.values() if isinstance(inner, (dict, list))]
    if isinstance(value, list):
        return [inner for inner in value if isinstance(inner, (dict, list))]
    return []
