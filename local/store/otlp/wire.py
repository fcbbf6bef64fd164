"""Walk over a request in protobuf's wire format, without parsing its items.

Fields 1 and 2 mean the same at each of the three levels of a request for traces and one for logs.

Source: opentelemetry-proto 1.x, `TracesData` and `LogsData`; protobuf, "Encoding".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.store.errors import BadPayloadError, TooLargeError
from local.store.otlp.groups import Group

if TYPE_CHECKING:
    from collections.abc import Iterator

# Fields around the items: resources, scopes and their lists.
MOST_FIELDS = 100_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LENGTHS = {_FIXED64: 8, _FIXED32: 4}


class Walk:
    """A walk over the outer fields of a request in protobuf's wire format."""

    def __init__(self) -> None:
        self._left = MOST_FIELDS

    def groups(self, body: memoryview) -> Iterator[Group]:
        """Yield the groups of a request."""
        for number, content in self._fields(body):
            if number == 1:
                resource, scopes = self._split(content)
                for one in scopes:
                    scope, items = self._split(one)
                    yield Group(resource, scope, [*items])

    def _split(self, content: memoryview) -> tuple[memoryview, list[memoryview]]:
        """Return field 1, merged as protobuf merges one that is repeated, and all of field 2."""
        single: list[memoryview] = []
        repeated: list[memoryview] = []
        for number, value in self._fields(content):
            if number in (1, 2):
                (single if number == 1 else repeated).append(value)
        return memoryview(b"".join(single)), repeated

    def _fields(self, content: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Yield number and content of each field that has a length; skip the others."""
        at = 0
        while at < len(content):
            self._left -= 1
            if self._left < 0:
                raise TooLargeError(f"more than {MOST_FIELDS} fields around the items")
            tag, at = _varint(content, at)
            length = _LENGTHS.get(tag & 7)
            if length is None:
                length, at = _varint(content, at)
            if tag & 7 == _VARINT:
                continue
            if tag & 7 not in (_BYTES, *_LENGTHS) or at + length > len(content):
                raise BadPayloadError("not an OTLP request: a field is malformed or cut off")
            if tag & 7 == _BYTES:
                yield tag >> 3, content[at : at + length]
            at += length


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a position and the position after it."""
    number = shift = 0
    while at < len(content) and shift < 64:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise BadPayloadError("not an OTLP request: a number is malformed or cut off")
