"""Settings as dataclasses, whose fields name their variables."""

from __future__ import annotations

import os
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from .reader import EnvironmentReader, Setting, SettingsError, exit_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self

_METADATA_KEY = "setting"


class EnvironmentSettings:
    """Base class of frozen dataclasses that declare fields by `setting`, `secret` and `nested`."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read all settings.

        Raises:
            SettingsError: With every bad variable, its value and what was expected.
        """
        reader = EnvironmentReader(environ)
        settings = cls.read(reader)
        reader.finish()
        return settings

    @classmethod
    def from_env_or_exit(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read all settings, or end the process with one message that lists the bad variables."""
        try:
            return cls.from_env(environ)
        except SettingsError as error:
            exit_for(error)

    @classmethod
    def read(cls, reader: EnvironmentReader, **values: Any) -> Self:
        """Read all settings but the fields given; problems stay in the caller's reader."""
        settings: Self = Nested(cls).read(reader, values)
        return settings

    def check(self, reader: EnvironmentReader) -> None:
        """Note what is wrong with the settings together; nothing by default."""

    @classmethod
    def variables(cls) -> dict[str, Setting]:
        """Return every setting by its variable, those of nested settings included."""
        return {declared.name: declared for declared in Nested(cls).settings()}


@dataclass(frozen=True)
class Nested:
    """Settings within settings.

    Args:
        kind: Their class.
        prefix: The prefix of each of their variables.
        defaults: Defaults by field, which replace those of the class.
    """

    kind: type[EnvironmentSettings]
    prefix: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def declared_fields(self) -> Iterator[tuple[str, Setting | Nested]]:
        """Yield each declared field, with the full names of its variables."""
        for one in fields(self.kind):  # type: ignore[arg-type]
            declared = one.metadata.get(_METADATA_KEY)
            if isinstance(declared, Nested):
                yield one.name, replace(declared, prefix=self.prefix + declared.prefix)
            elif declared:
                default = self.defaults.get(one.name, declared.default)
                yield one.name, replace(declared.under(self.prefix), default=default)

    def settings(self) -> Iterator[Setting]:
        """Yield every setting, those of nested settings included."""
        for _, declared in self.declared_fields():
            if isinstance(declared, Nested):
                yield from declared.settings()
            else:
                yield declared

    def read(self, reader: EnvironmentReader, values: Mapping[str, Any]) -> Any:
        """Read every field but those with a value already."""
        found = dict(values)
        for name, declared in self.declared_fields():
            if name not in found:
                found[name] = (
                    declared.read(reader, {})
                    if isinstance(declared, Nested)
                    else reader.read(declared)
                )
        made = self.kind(**found)
        made.check(reader)
        return made


def setting(
    name: str,
    default: Any = MISSING,
    parse: Callable[[str], Any] = str,
    *,
    hidden: bool = False,
    formerly: tuple[str, ...] = (),
) -> Any:
    """Declare a field that a variable sets; the arguments are those of Setting."""
    return _field(Setting(name, default, parse, hidden=hidden, formerly=formerly))


def secret(name: str, default: str | Any = MISSING, *, formerly: tuple[str, ...] = ()) -> Any:
    """Declare a text that comes from NAME or from the file that NAME_FILE names."""
    return _field(Setting(name, default, hidden=True, file=True, formerly=formerly))


def nested(kind: type[EnvironmentSettings], prefix: str = "", **defaults: Any) -> Any:
    """Declare a field that holds settings; the arguments are those of Nested."""
    return field(metadata={_METADATA_KEY: Nested(kind, prefix, defaults)})


def _field(declared: Setting) -> Any:
    metadata, default = {_METADATA_KEY: declared}, declared.default
    if isinstance(default, dict):
        return field(default_factory=default.copy, repr=not declared.hidden, metadata=metadata)
    return field(default=default, repr=not declared.hidden, metadata=metadata)
