"""Encode values in protobuf's wire format, as OTLP attributes.

Source: opentelemetry-proto 1.9, common.proto; protobuf wire format.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longest text of one attribute; Loki refuses records whose metadata exceeds 64 KB.
MAX_TEXT = 8192
_MAX_CACHED = 64
MAX_CACHE = 4096

_double = Struct("<Bd").pack
_SMALL = tuple(bytes((number,)) for number in range(128))


def varint(number: int) -> bytes:
    """Encode a non-negative number, seven bits per byte."""
    if number < 128:
        return _SMALL[number]
    out = bytearray()
    while number > 127:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(tag: bytes, body: bytes) -> bytes:
    """Return a field: tag, length and body."""
    return tag + varint(len(body)) + body


def text_field(tag: bytes, text: str) -> bytes:
    """Encode a text, cut to MAX_TEXT characters."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
    return message(tag, text.encode("utf-8", "replace"))


def any_value(value: Any) -> bytes:
    """Encode one value; a type that OTLP does not have becomes text."""
    if isinstance(value, str):
        return text_field(b"\x0a", value)
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + varint(value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, float):
        return _double(0x21, value)
    if isinstance(value, bytes):
        return message(b"\x3a", value[:MAX_TEXT])
    return _collection(value)


def _collection(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, (list, tuple)):
        return message(b"\x2a", b"".join(message(b"\x0a", any_value(item)) for item in value))
    if isinstance(value, dict):
        items = ((str(key), item) for key, item in value.items())
        return message(b"\x32", b"".join(message(b"\x0a", key_value(*item)) for item in items))
    return text_field(b"\x0a", str(value))


def key_value(key: str, value: Any) -> bytes:
    """Encode one attribute."""
    return text_field(b"\x0a", key) + message(b"\x12", any_value(value))


class Fields:
    """An encoder of attributes that keeps those that recur.

    Args:
        tag: The tag of the repeated field that holds them.
    """

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        # Two caches, since 1, True and 1.0 are the same key in a dict.
        self._texts: dict[tuple[str, Any], bytes] = {}
        self._numbers: dict[tuple[str, int], bytes] = {}

    def encode(self, values: Mapping[str, Any]) -> list[bytes]:
        """Return the attributes as encoded fields."""
        known, learn = self._texts.get, self._learn
        try:
            return [known(item) or learn(item) for item in values.items()]
        except TypeError:
            # A list or a dict among them cannot be looked up.
            return [message(self._tag, key_value(*item)) for item in values.items()]

    def _learn(self, item: tuple[str, Any]) -> bytes:
        kind = type(item[1])
        if kind is int:
            return self._numbers.get(item) or self._keep(self._numbers, item)
        if kind is str and len(item[1]) <= _MAX_CACHED:
            return self._keep(self._texts, item)
        return message(self._tag, key_value(*item))

    def _keep(self, cache: dict[tuple[str, Any], bytes], item: tuple[str, Any]) -> bytes:
        if len(cache) >= MAX_CACHE:
            cache.clear()
        encoded = cache[item] = message(self._tag, key_value(*item))
        return encoded


def attributes(tag: bytes, values: Mapping[str, Any] | None) -> bytes:
    """Encode attributes as repeated fields."""
    if not values:
        return b""
    return b"".join([message(tag, key_value(key, value)) for key, value in values.items()])
