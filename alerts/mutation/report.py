"""The report of a mutation run: a table for people, JSON for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .equivalents import Equivalent
from .mutants import CRITICAL, Mutant
from .whole_files import Outcome


@dataclass(frozen=True)
class Report:
    """The outcome of a run.

    Args:
        outcomes: Of every mutant that was run.
        equivalents: Mutants that were not run, and why.
        promtool: The version that ran the tests.
        seconds: How long it took.
        population: How many mutants there are in all, before sampling.
    """

    outcomes: Sequence[Outcome]
    equivalents: Sequence[tuple[Mutant, Equivalent]]
    promtool: str
    seconds: float
    population: int

    @property
    def survivors(self) -> list[Outcome]:
        """Return the outcomes of mutants that no test noticed."""
        return [outcome for outcome in self.outcomes if not outcome.killed_by]

    @property
    def critical(self) -> list[Outcome]:
        """Return the survivors that fail the run."""
        return [v for v in self.survivors if v.mutant.operator in CRITICAL]

    @property
    def score(self) -> float:
        """Return the proportion of mutants that was noticed; 0-1."""
        return 1 - len(self.survivors) / len(self.outcomes) if self.outcomes else 1.0

    def operators(self) -> list[tuple[str, int, int]]:
        """Return each kind of damage, how many mutants it made and how many were noticed."""
        made = Counter(v.mutant.operator for v in self.outcomes)
        left = Counter(v.mutant.operator for v in self.survivors)
        return [(name, made[name], made[name] - left[name]) for name in sorted(made)]

    def as_json(self) -> dict[str, Any]:
        """Return the run as data for JSON."""
        return {
            "mutants": len(self.outcomes),
            "killed": len(self.outcomes) - len(self.survivors),
            "score": round(self.score, 4),
            "population": self.population,
            "promtool": self.promtool,
            "seconds": round(self.seconds, 1),
            "operators": {n: {"mutants": m, "killed": k} for n, m, k in self.operators()},
            "survivors": [_entry(v.mutant) | {"closest": v.closest} for v in self.survivors],
            "equivalents": [_entry(m) | {"reason": e.reason} for m, e in self.equivalents],
        }

    def lines(self) -> Iterator[str]:
        """Return the run as text: survivors first, then the table."""
        for outcome in self.survivors:
            mutant = outcome.mutant
            yield f"SURVIVED {mutant.operator} in {mutant.site.name} ({mutant.site.file.name})"
            yield from (f"    {line}" for line in mutant.diff.splitlines())
            if outcome.closest:
                yield f"    closest: {outcome.closest}"
        yield f"{'operator':<18}{'mutants':>8}{'killed':>8}{'rate':>8}"
        for name, made, killed in self.operators():
            yield f"{name:<18}{made:>8}{killed:>8}{killed / made:>8.1%}"
        total, killed = len(self.outcomes), len(self.outcomes) - len(self.survivors)
        yield f"{'all':<18}{total:>8}{killed:>8}{self.score:>8.1%}"
        yield (
            f"{len(self.equivalents)} equivalent mutants left out, {self.population} in all,"
            f" promtool {self.promtool}, {self.seconds:.0f} s"
        )


def _entry(mutant: Mutant) -> dict[str, str]:
    rule = f"{mutant.site.file.parent.name}/{mutant.site.file.name}: {mutant.site.name}"
    return {"rule": rule, "operator": mutant.operator, "diff": mutant.diff}
