"""The place of each rule in its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .source import read

RawRule = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """The place of a rule.

    Args:
        file: Its rule file.
        group: Index of its group.
        rule: Index in the group.
        name: What it records, or the alert's name.
    """

    file: Path
    group: int
    rule: int
    name: str


def sites(file: Path) -> Iterator[tuple[Site, RawRule]]:
    """Return every rule of a file with its place."""
    for g, group in enumerate(read(file).documents[0]["groups"]):
        for r, rule in enumerate(group["rules"]):
            yield Site(file, g, r, rule.get("alert") or rule["record"]), rule
