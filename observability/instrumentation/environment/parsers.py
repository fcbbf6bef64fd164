"""Parsers of settings: a text becomes a value, or ValueError with what was expected."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

HIGHEST_PORT = 65535
_TRUE = ("on", "true", "1", "yes")
_FALSE = ("off", "false", "0", "no")


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within two bounds, both included."""

    def parse(text: str) -> int:
        with suppress(ValueError):
            if low <= int(text) <= high:
                return int(text)
        raise ValueError(f"a whole number from {low} to {high}")

    return parse


def number(low: float, high: float | None = None) -> Callable[[str], float]:
    """Return a parser of numbers within their bounds, both included."""
    between = f"of at least {low:g}" if high is None else f"from {low:g} to {high:g}"

    def parse(text: str) -> float:
        with suppress(ValueError):
            if low <= float(text) <= (sys.float_info.max if high is None else high):
                return float(text)
        raise ValueError(f"a number {between}")

    return parse


def port_number(text: str) -> int:
    """Parse a TCP port."""
    return _port(text, 1)


def port_or_any(text: str) -> int:
    """Parse a TCP port, or 0, which picks a free one."""
    return _port(text, 0)


def _port(text: str, low: int) -> int:
    if text.isascii() and text.isdigit() and low <= int(text) <= HIGHEST_PORT:
        return int(text)
    raise ValueError(f"a port number, {low} to {HIGHEST_PORT}")


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that accepts only these words."""
    *most, last = words

    def parse(text: str) -> str:
        if text in words:
            return text
        raise ValueError(f"{', '.join(most)} or {last}")

    return parse


def flag(text: str) -> bool:
    """Parse a switch: on or off."""
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError("on or off")
    return text.lower() in _TRUE


def words(text: str) -> tuple[str, ...]:
    """Parse comma-separated words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pairs(text: str) -> dict[str, str]:
    """Parse `key=value,key=value`, percent-decoded. Source: W3C Baggage, as OTel uses it."""
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError("key=value,key=value")
        found[unquote(key.strip())] = unquote(value.strip())
    return found


def http_url(text: str) -> str:
    """Parse an HTTP address; a trailing slash is dropped."""
    with suppress(ValueError):
        parts = urlsplit(text)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return text.rstrip("/")
    raise ValueError("a URL such as http://collector:4318")
