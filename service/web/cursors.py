"""Cursors: where a page of orders ends, and the next one starts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from service.errors import InvalidCursorError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Thirteen digits reach to the year 2112, so every text of this shape is a cursor.
CURSOR = re.compile(r"[0-9a-f]{45}")


class Cursor(NamedTuple):
    """The last order of a page; the next page starts behind it."""

    created_at: datetime
    order_id: UUID

    def encode(self) -> str:
        """Return the cursor as opaque text for clients: microseconds, then the id."""
        return f"{(self.created_at - EPOCH) // MICROSECOND:013x}{self.order_id.hex}"

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Return the cursor that was encoded, or raise InvalidCursorError."""
        if not CURSOR.fullmatch(text):
            raise InvalidCursorError
        created_at = EPOCH + int(text[:13], 16) * MICROSECOND
        return cls(created_at, UUID(text[13:]))
