"""A mutation run: draw mutants, leave the equivalent ones out, run the tests on the rest."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from ..promrules import errors, promtool
from .equivalents import Equivalent
from .evaluate import Evaluator
from .mutants import Mutant, mutants
from .progress import progress
from .report import Report
from .suite import load
from .whole_files import Outcome, WholeFiles


def run(
    tool: promtool.Promtool,
    *,
    known: Sequence[Equivalent],
    rules: Sequence[Path],
    tests: Sequence[Path],
    jobs: int,
    only: str,
    sample: int,
    seed: int,
    exact: bool,
) -> Report:
    """Return the outcome of every mutant that was drawn.

    Args:
        tool: Runs the tests.
        known: The listed equivalents.
        rules: Rule files or folders.
        tests: Test files or folders.
        jobs: Promtools that run at a time.
        only: Regular expression that is searched in the names of rules.
        sample: How many mutants are drawn; 0 for all.
        seed: Seed of the draw.
        exact: Run whole test files.

    Raises:
        RulesError: No files were found, or the tests fail before any damage.
    """
    started = time.monotonic()
    rule_paths, test_paths = promtool.find_rules(rules), promtool.find_tests(tests)
    if not rule_paths or not test_paths:
        raise errors.RulesError(f"no {'promtool tests' if rule_paths else 'rule files'} found")
    _must_pass(tool, test_paths, jobs)
    made = [m for p in rule_paths for m in mutants(p.resolve()) if re.search(only, m.site.name)]
    drawn = made
    if sample and sample < len(made):
        drawn = random.Random(seed).sample(made, sample)  # noqa: S311 - no secret depends on it
    kept, left_out = _screen(drawn, known)
    kind = WholeFiles if exact else Evaluator
    evaluate = kind(tool, [load(path) for path in test_paths]).evaluate
    outcomes = _evaluate_all(evaluate, kept, jobs)
    return Report(outcomes, left_out, tool.version, time.monotonic() - started, len(made))


def _must_pass(tool: promtool.Promtool, tests: Sequence[Path], jobs: int) -> None:
    """Refuse a suite that fails before any damage: it would notice every mutant."""
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda test: tool.run("test", "rules", test), tests)
        for path, done in zip(tests, results, strict=True):
            if done.returncode:
                raise errors.RulesError(f"{path} fails before any damage:\n{done.stdout}")


def _screen(
    drawn: Sequence[Mutant], known: Sequence[Equivalent]
) -> tuple[list[Mutant], list[tuple[Mutant, Equivalent]]]:
    kept, left_out = [], []
    for mutant in drawn:
        reason = next((entry for entry in known if entry.covers(mutant)), None)
        if reason:
            left_out.append((mutant, reason))
        else:
            kept.append(mutant)
    return kept, left_out


def _evaluate_all(
    evaluate: Callable[[Mutant], Outcome], drawn: Sequence[Mutant], jobs: int
) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(evaluate, mutant): i for i, mutant in enumerate(drawn)}
        for done in progress(as_completed(futures), len(futures)):
            outcomes[futures[done]] = done.result()
    return [outcomes[i] for i in sorted(outcomes)]
