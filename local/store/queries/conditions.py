"""Build WHERE clauses; values are always bound, never interpolated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from local.store.words import MORE, MOST_WORDS, identifying, word_of


@dataclass(slots=True)
class Conditions:
    """SQL conditions joined by AND, with their bound values."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, sql: str, *values: Any) -> None:
        """Add one condition with a `?` per value."""
        self.parts.append(sql)
        self.values.extend(values)

    def between(self, column: str, start_ns: int | None, end_ns: int | None) -> None:
        """Add the bounds of a time range, the start included."""
        if start_ns is not None:
            self.add(f"{column} >= ?", start_ns)
        if end_ns is not None:
            self.add(f"{column} < ?", end_ns)

    def contains(self, column: str, text: str) -> None:
        """Add a case-insensitive search for text."""
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        self.add(f"{column} LIKE ? ESCAPE '\\'", f"%{escaped}%")

    def attribute(self, table: str, condition: str) -> None:
        """Add `key=value`, or `key` for its presence, of the attributes of a table's rows.

        Numbers and booleans are compared as text.
        """
        key, equals, value = (part.strip() for part in condition.partition("="))
        part, bound = "key = ?", [key]
        if equals:
            # Other values are their JSON, except that JSON's true is SQLite's 1.
            text = "CASE type WHEN 'true' THEN type WHEN 'false' THEN type ELSE value END"
            part, bound = f"key = ? AND CAST({text} AS TEXT) = ?", [key, value]
        label = identifying(key)
        if label and equals:
            words = f"{table}_words WHERE word IN (?, ?)"
            ids = f"SELECT id / {MOST_WORDS} FROM {words}"  # noqa: S608 - values are bound
            self.add(f"id IN ({ids})", word_of(label, value), MORE)
        written = orjson.dumps(key).decode() + ":"
        exact = f"SELECT 1 FROM json_each(attributes) WHERE {part}"  # noqa: S608 - values are bound
        self.add(f"instr(attributes, ?) AND EXISTS ({exact})", written, *bound)

    def where(self) -> str:
        """Return the clause with its keyword, or an empty text."""
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""
