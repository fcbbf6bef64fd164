"""Read settings from an environment, and report every bad one at once."""

from __future__ import annotations

from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TRUE = ("on", "true", "1", "yes")
_FALSE = ("off", "false", "0", "no")


class SettingsError(ValueError):
    """Say which settings are bad, all of them in one message."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("bad settings:\n" + "\n".join(f"  {line}" for line in self.problems))


class EnvironmentReader:
    """Read values by name and note what is wrong with them; `finish` raises."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def add_problem(self, name: str, expected: str, *, value: str | None = None) -> None:
        """Note that a setting is bad; leave `value` out when it is a secret."""
        shown = "" if value is None else f"={value!r}"
        self._problems.append(f"{name}{shown}: expected {expected}")

    def raw(self, name: str) -> str | None:
        """Return what is set, or None; an empty value counts as unset."""
        return self._environ.get(name, "").strip() or None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; without a default it is required."""
        value = self.raw(name) or default
        if value is None:
            self.add_problem(name, "a value, it has no default", value="")
        return value or ""

    def number(
        self,
        name: str,
        default: float | None,
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> float:
        """Return a number within its bounds, both included."""
        text = self.text(name, None if default is None else str(default))
        if not text:
            return 0.0
        try:
            value = float(text)
        except ValueError:
            value = nan
        inside = (low is None or value >= low) and (high is None or value <= high)
        if inside and isfinite(value):
            return value
        self.add_problem(name, f"a number{_between(low, high)}", value=text)
        return default or 0.0

    def integer(
        self, name: str, default: int | None, *, low: int | None = None, high: int | None = None
    ) -> int:
        """Return a whole number within its bounds, both included."""
        text = self.text(name, None if default is None else str(default))
        if not text:
            return 0
        try:
            value = int(text)
        except ValueError:
            value = None
        inside = value is not None and (low is None or value >= low)
        if value is not None and inside and (high is None or value <= high):
            return value
        self.add_problem(name, f"a whole number{_between(low, high)}", value=text)
        return default or 0

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """Return one of the allowed words."""
        value = self.text(name, default)
        if value in allowed:
            return value
        self.add_problem(name, "one of " + ", ".join(allowed), value=value)
        return default

    def flag(self, name: str, default: bool) -> bool:
        """Return whether something is on."""
        value = (self.raw(name) or ("on" if default else "off")).lower()
        if value not in _TRUE + _FALSE:
            self.add_problem(name, "on or off", value=value)
        return value in _TRUE

    def secret(self, name: str, default: str | None = None) -> str:
        """Return a secret from `NAME`, or from the file that `NAME_FILE` names."""
        file_name = self.raw(f"{name}_FILE")
        if file_name is None:
            value = self._environ.get(name) or default
        else:
            value = self._file_text(f"{name}_FILE", file_name)
        if value is None and file_name is None:
            self.add_problem(name, f"a secret here or a file in {name}_FILE")
        return value or ""

    def finish(self) -> None:
        """Raise SettingsError if any value was bad."""
        if self._problems:
            raise SettingsError(self._problems)

    def _file_text(self, name: str, file_name: str) -> str | None:
        try:
            return Path(file_name).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            self.add_problem(name, "a file that can be read", value=file_name)
            return None


def _between(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"
