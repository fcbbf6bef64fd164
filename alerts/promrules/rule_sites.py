"""Where each rule of a file stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.promrules.source import read

RawRule = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """Where a rule stands.

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
    """Return every rule of a file."""
    for g, group in enumerate(read(file).documents[0]["groups"]):
        for r, rule in enumerate(group["rules"]):
            yield Site(file, g, r, rule.get("alert") or rule["record"]), rule
