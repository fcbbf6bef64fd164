"""Read the parameters of a request strictly: an unknown one is an error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from local.store.errors import BadQueryError
from local.store.queries.times import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.datastructures import MultiDict


class Params:
    """The query string of one request.

    Args:
        values: The query string as Flask parsed it.
        known: Names that the route accepts.

    Raises:
        BadQueryError: A name is unknown.
    """

    def __init__(self, values: MultiDict[str, str], known: Iterable[str]) -> None:
        known = sorted(known)
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise BadQueryError(
                f"unknown parameter {unknown[0][:60]!r}; expected one of {', '.join(known)}"
            )
        self._values = values
        self._now = time.time()

    def text(self, name: str) -> str:
        """Return a text, empty if it is absent."""
        return self._values.get(name, "").strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """Return every value of a parameter that may repeat."""
        return tuple(value.strip() for value in self._values.getlist(name) if value.strip())

    def word(self, name: str, known: tuple[str, ...]) -> str:
        """Return one of the known words; the first is the default."""
        text = self.text(name) or known[0]
        if text not in known:
            raise BadQueryError(f"{name}: expected one of {', '.join(known)}, not {text[:60]!r}")
        return text

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within its bounds."""
        text = self.text(name) or str(default)
        if not text.isdecimal() or not least <= int(text) <= most:
            raise BadQueryError(f"{name}: expected {least} to {most}, not {text[:60]!r}")
        return int(text)

    def optional_number(self, name: str, most: int = 2**62) -> int | None:
        """Return a whole number, or None if it is absent."""
        return self.number(name, 0, 0, most) if self.text(name) else None

    def milliseconds(self, name: str) -> int | None:
        """Return a duration given in milliseconds as nanoseconds."""
        text = self.text(name)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < 1e12:
            raise BadQueryError(f"{name}: expected milliseconds, not {text[:60]!r}")
        return int(value * 1e6)

    def moment_ns(self, name: str) -> int | None:
        """Return a point in time as nanoseconds, or None if it is absent."""
        text = self.text(name)
        return int(seconds_of(text, self._now, name=name) * 1e9) if text else None
