"""Read the parameters of a request strictly: each is in range, or the request is refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from local.console.api.times import seconds_of
from local.store.errors import BadQueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.datastructures import MultiDict

LONGEST_TEXT = 1_000
MOST_VALUES = 100
# SQLite's largest integer, and the nanoseconds of the year 2262.
LARGEST = 2**63 - 1


class Params:
    """The query string of one request.

    Args:
        values: The query string as Flask parsed it.
        known: Names that the route accepts; None accepts all, for an API whose clients send more
            than it needs.

    Raises:
        BadQueryError: A name is unknown.
    """

    def __init__(self, values: MultiDict[str, str], known: Iterable[str] | None = None) -> None:
        names = sorted(values if known is None else known)
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise BadQueryError(
                f"unknown parameter {unknown[0][:60]!r}; expected one of {', '.join(names)}"
            )
        self._values = values
        self.now = time.time()

    def text(self, name: str, default: str = "", *, most: int = LONGEST_TEXT) -> str:
        """Return a text, the default if it is absent or empty."""
        found = self._values.getlist(name)
        if len(found) > 1:
            raise BadQueryError(f"{name}: expected one value, not {len(found)}")
        return self._checked(name, found[0], most) or default if found else default

    def texts(self, name: str) -> tuple[str, ...]:
        """Return every value of a parameter that may repeat."""
        found = self._values.getlist(name)
        if len(found) > MOST_VALUES:
            raise BadQueryError(f"{name}: expected at most {MOST_VALUES} values, not {len(found)}")
        checked = [self._checked(name, value, LONGEST_TEXT) for value in found]
        return tuple(value for value in checked if value)

    def word(self, name: str, known: tuple[str, ...]) -> str:
        """Return one of the known words; the first is the default."""
        text = self.text(name) or known[0]
        if text not in known:
            raise BadQueryError(f"{name}: expected one of {', '.join(known)}, not {text[:60]!r}")
        return text

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within its bounds."""
        text = self.text(name) or str(default)
        digits = text.isascii() and text.isdecimal() and len(text) <= 20
        if not digits or not least <= int(text) <= most:
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
        return int(seconds_of(text, self.now, name=name) * 1e9) if text else None

    def _checked(self, name: str, value: str, most: int) -> str:
        if len(value) > most:
            raise BadQueryError(f"{name}: expected at most {most} characters, not {len(value)}")
        return value.strip()


def row_id(name: str, text: str) -> int:
    """Return the number of a row from a path.

    Raises:
        BadQueryError: It is not a number that a row can have.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 20) or int(text) > LARGEST:
        raise BadQueryError(f"{name}: expected a number of up to 19 digits, not {text[:60]!r}")
    return int(text)
