"""Mutants that change nothing: a reviewed list, with a reason for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..promrules import errors, source
from .mutants import Mutant


@dataclass(frozen=True)
class Equivalent:
    """A kind of mutant that changes nothing.

    Args:
        rule: Regular expression for the whole name of the rule.
        operator: The kind of damage.
        change: Regular expression that is searched in the diff.
        reason: Why nothing changes.
    """

    rule: str
    operator: str
    change: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Return whether a mutant is of this kind."""
        return (
            self.operator == mutant.operator
            and re.fullmatch(self.rule, mutant.site.name) is not None
            and re.search(self.change, mutant.diff) is not None
        )


def load_equivalents(path: Path) -> list[Equivalent]:
    """Return the listed equivalents.

    Raises:
        RulesError: An entry lacks a reason or has an unknown key.
    """
    listed = source.read(path)
    found = []
    for index, entry in enumerate(listed.documents[0] or []):
        try:
            found.append(Equivalent(**entry))
        except TypeError as error:
            raise errors.RulesError(f"{listed.place(0, index)}: {error}") from error
    return found
