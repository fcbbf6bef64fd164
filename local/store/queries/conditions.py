"""Build WHERE clauses; values are always bound, never interpolated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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

    def attribute(self, condition: str, columns: tuple[str, ...] = ("attributes",)) -> None:
        """Add `key=value`, or `key` for its presence, looked up in JSON columns.

        Numbers and booleans are compared as text.
        """
        key, equals, value = condition.partition("=")
        path = '$."' + key.strip().replace('"', "") + '"'
        if not equals:
            part, bound = "json_type({0}, ?) IS NOT NULL", [path]
        elif value in ("true", "false"):
            part, bound = "(json_type({0}, ?) = ? OR json_extract({0}, ?) = ?)", [path, value] * 2
        else:
            part, bound = "CAST(json_extract({0}, ?) AS TEXT) = ?", [path, value]
        self.add(
            "(" + " OR ".join(part.format(column) for column in columns) + ")",
            *(bound * len(columns)),
        )

    def where(self) -> str:
        """Return the clause with its keyword, or an empty text."""
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""
