"""Mutants that change nothing: reviewed by a person, listed with a reason each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from alerts.mutation.mutants import Mutant
from alerts.promrules.errors import AlertsError
from alerts.promrules.source import read


@dataclass(frozen=True)
class Equivalent:
    """A kind of mutant that is no damage.

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
        """Tell whether a mutant is of this kind."""
        return (
            self.operator == mutant.operator
            and re.fullmatch(self.rule, mutant.site.name) is not None
            and re.search(self.change, mutant.diff) is not None
        )


def load_equivalents(path: Path) -> list[Equivalent]:
    """Return the listed equivalents.

    Raises:
        AlertsError: An entry lacks a reason or has an unknown key.
    """
    source = read(path)
    found = []
    for index, entry in enumerate(source.documents[0] or []):
        try:
            found.append(Equivalent(**entry))
        except TypeError as error:
            raise AlertsError(f"{source.place(0, index)}: {error}") from error
    return found
