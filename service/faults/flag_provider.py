"""Feature flags in one file of flagd's format.

flagd's own provider imports grpc, which does not survive a fork. This one has no thread: it
checks the file's timestamp, at most once a second, to decide whether to read it again.

Source: flagd flag definitions, https://flagd.dev/reference/flag-definitions/
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from openfeature.exception import FlagNotFoundError, ParseError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagValueType

T = TypeVar("T")
Flags = dict[str, dict[str, Any]]

CHECK_EVERY_SECONDS = 1.0
SCHEMA = "https://flagd.dev/schema/v0/flags.json"

logger = logging.getLogger(__name__)


def read_flags(path: Path) -> Flags:
    """Return the flags of a file by key; none if there is no file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    flags = document.get("flags") if isinstance(document, dict) else None
    if not isinstance(flags, dict) or not all(isinstance(flag, dict) for flag in flags.values()):
        raise ValueError('expected an object with "flags"')
    return flags


def write_flags(path: Path, flags: Flags) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"$schema": SCHEMA, "flags": flags}, indent=2) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as new:
        new.write(text)
    new_path = Path(new.name)
    new_path.chmod(0o644)
    new_path.replace(path)


class FlagFile:
    """The flags of a file, read again when it changes.

    Args:
        path: The file; None means that no flag is ever on.
        clock: Monotonic seconds.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.flags: Flags = {}
        self.generation = 0
        self._path = path
        self._clock = clock
        self._next_check = 0.0
        self._seen: tuple[int, int, int] | None = None

    def refresh(self) -> int:
        """Read the file again if it changed; return a number that grows with each change."""
        now = self._clock()
        if self._path is None or now < self._next_check:
            return self.generation
        self._next_check = now + CHECK_EVERY_SECONDS
        seen = _fingerprint(self._path)
        if seen != self._seen:
            self._seen = seen
            try:
                self.flags = read_flags(self._path)
                self.generation += 1
            except (OSError, ValueError) as error:
                logger.warning("the flag file cannot be read and is ignored: %s", error)
        return self.generation


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - half the cost of Path.stat, and this runs often
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class FlagFileProvider(AbstractProvider):
    """OpenFeature's provider for a flag file; targeting rules are not evaluated."""

    def __init__(self, file: FlagFile) -> None:
        super().__init__()
        self._file = file

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(name="flag file")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002
    ) -> FlagResolutionDetails[bool]:
        """Return a boolean flag."""
        return self._resolve(flag_key, default_value, bool)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002
    ) -> FlagResolutionDetails[str]:
        """Return a text flag."""
        return self._resolve(flag_key, default_value, str)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002
    ) -> FlagResolutionDetails[int]:
        """Return an integer flag."""
        return self._resolve(flag_key, default_value, int)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002
    ) -> FlagResolutionDetails[float]:
        """Return a float flag."""
        return self._resolve(flag_key, default_value, float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Return a flag that is an object or a list."""
        return self._resolve(flag_key, default_value, object)

    def _resolve(self, key: str, default: Any, wanted: type) -> FlagResolutionDetails[Any]:
        self._file.refresh()
        flag = self._file.flags.get(key)
        if flag is None:
            raise FlagNotFoundError(f"there is no flag {key}")
        if flag.get("state", "ENABLED") != "ENABLED":
            return FlagResolutionDetails(default, reason=Reason.DISABLED)
        variant = flag.get("defaultVariant")
        try:
            value = flag["variants"][variant]
        except (KeyError, TypeError) as error:
            raise ParseError(f"flag {key} has no variant {variant!r}") from error
        return FlagResolutionDetails(_fit(value, wanted), reason=Reason.STATIC, variant=variant)


def _fit(value: Any, wanted: type[T]) -> T:
    """Return the value as the wanted type; JSON writes 2.0 as 2, and true is not a number."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is float and number:
        return cast("T", float(value))
    fits = number if wanted is int else isinstance(value, wanted)
    if not fits:
        raise TypeMismatchError(f"expected {wanted.__name__}, got {value!r}")
    return cast("T", value)
