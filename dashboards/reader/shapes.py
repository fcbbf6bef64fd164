"""Values of untrusted JSON in the type that a key should have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def mapping(value: object) -> Json:
    """Return a copy of an object; empty if it is something else."""
    return dict(value) if isinstance(value, Mapping) else {}


def objects(value: object) -> list[Json]:
    """Return the objects in a list, without anything else in it."""
    found = value if isinstance(value, list) else []
    return [dict(one) for one in found if isinstance(one, Mapping)]


def texts(value: object) -> list[str]:
    """Return the texts in a list; a single text is a list of one."""
    if isinstance(value, str):
        return [value] if value else []
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text; empty if it is something else, but for numbers."""
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def number(value: object) -> float | None:
    """Return a finite number, also one written as a text; None if it is something else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object, default: int) -> int:
    """Return a whole number, or the default."""
    found = number(value)
    return default if found is None else int(found)


def without_none(**values: Any) -> Json:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
