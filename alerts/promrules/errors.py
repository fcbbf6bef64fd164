"""Errors of this package.

RulesError
└── RefusedError    the input would give rules that cannot work; names every place
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A line of a file that a person wrote.

    Args:
        path: The file.
        line: Counted from 1.
    """

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class RulesError(Exception):
    """A failure to make, test or verify rules."""


class RefusedError(RulesError):
    """Input that would give rules that cannot work.

    Args:
        refusals: Each fault's place, and what is wrong there.
    """

    def __init__(self, refusals: list[tuple[Place, str]]) -> None:
        self.refusals = refusals
        super().__init__("\n".join(f"{place}: {text}" for place, text in refusals))
