"""Values read from an environment, and every problem with them at once."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EXIT_CODE = 2


class SettingsError(ValueError):
    """Bad settings, all of them in one message.

    Args:
        problems: One line per bad variable.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("bad settings:\n" + "\n".join(f"  {line}" for line in self.problems))


@dataclass(frozen=True)
class Setting:
    """A variable that is read from the environment.

    Args:
        name: The variable; within nested settings, what follows their prefix.
        default: The value when it is unset; MISSING makes the variable required.
        parse: Turns the text into the value; raises ValueError with what was expected.
        hidden: Neither `repr` nor an error shows the value.
        file: The value may also come from the file that NAME_FILE names, with spaces kept.
        formerly: Old names; one that is still set is refused.
    """

    name: str
    default: Any
    parse: Callable[[str], Any] = str
    hidden: bool = False
    file: bool = False
    formerly: tuple[str, ...] = ()

    def under(self, prefix: str) -> Setting:
        """Return the setting with a prefix before its names."""
        return replace(
            self, name=prefix + self.name, formerly=tuple(prefix + old for old in self.formerly)
        )


class EnvironmentReader:
    """A reader of variables that collects their problems; `finish` raises them.

    Args:
        environ: Variables by name.
        problems: Problems found before.
    """

    def __init__(self, environ: Mapping[str, str], problems: Sequence[str] = ()) -> None:
        self._environ = environ
        self._problems = list(problems)

    def read(self, declared: Setting) -> Any:
        """Return the value of a setting; a bad one is noted, and the default returned."""
        default = None if declared.default is MISSING else declared.default
        if old_names := list(filter(self.raw, declared.formerly)):
            self._problems += [f"{old}: renamed to {declared.name}" for old in old_names]
            return default
        text = self._text(declared)
        if text is None:
            return default
        try:
            return declared.parse(text)
        except ValueError as error:
            shown = None if declared.hidden else text
            self.add_problem(declared.name, str(error), value=shown)
            return default

    def raw(self, name: str) -> str | None:
        """Return the text of a variable, or None; an empty one counts as unset."""
        return self._environ.get(name, "").strip() or None

    def add_problem(self, name: str, expected: str, *, value: str | None = None) -> None:
        """Note that a variable is bad; leave `value` out when it is a secret."""
        shown = "" if value is None else f"={value!r}"
        self.add_line(f"{name}{shown}: expected {expected}")

    def add_line(self, problem: str) -> None:
        """Note a problem that is already a full line."""
        self._problems.append(problem)

    def finish(self) -> None:
        """Raise SettingsError if any value was bad."""
        if self._problems:
            raise SettingsError(self._problems)

    def _text(self, declared: Setting) -> str | None:
        name = declared.name
        if declared.file and (path := self.raw(f"{name}_FILE")):
            try:
                return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError):
                self.add_problem(f"{name}_FILE", "a file that can be read", value=path)
                return None
        # A secret keeps its spaces.
        text = (self._environ.get(name) or None) if declared.file else self.raw(name)
        if text is None and declared.default is MISSING:
            if declared.file:
                self.add_problem(name, f"a secret here or a file in {name}_FILE")
            else:
                self.add_problem(name, "a value, it has no default", value="")
        return text


def exit_for(error: SettingsError) -> NoReturn:
    """End the process with the message of a settings error."""
    sys.stderr.write(f"{error}\n")
    raise SystemExit(EXIT_CODE)
