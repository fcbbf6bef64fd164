"""Whole test files against whole rule files: whether they notice a mutant when nothing is cut."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..promrules import promtool, source, yaml_text
from .mutants import Mutant
from .suite import TestDocument


@dataclass(frozen=True)
class Outcome:
    """The outcome of one mutant.

    Args:
        mutant: The mutant.
        killed_by: Name of the case, or of the file, that noticed; empty for a survivor.
        closest: For a survivor, the case that came closest and why it was not enough.
    """

    mutant: Mutant
    killed_by: str
    closest: str = ""


class WholeFiles:
    """A runner of every test file that loads the damaged file, uncut, until one fails.

    Args:
        tool: Runs the tests.
        tests: The suite.
    """

    def __init__(self, tool: promtool.Promtool, tests: list[TestDocument]) -> None:
        self._tool = tool
        self._tests = tests
        self._seconds: dict[Path, float] = {}

    def evaluate(self, mutant: Mutant) -> Outcome:
        """Return which file notices a mutant; the quickest files run first."""
        tests = [test for test in self._tests if mutant.site.file in test.files]
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            damaged = Path(folder, "damaged.yml")
            damaged.write_text(yaml_text.yaml_text(_damaged(mutant)), encoding="utf-8")
            for test in sorted(tests, key=lambda t: self._seconds.get(t.path, 0.0)):
                if self._fails(test, mutant.site.file, damaged):
                    return Outcome(mutant, test.path.name)
        return Outcome(mutant, "")

    def _fails(self, test: TestDocument, original: Path, damaged: Path) -> bool:
        files = [str(damaged if file == original else file) for file in test.files]
        path = damaged.with_name(test.path.name)
        path.write_text(
            yaml_text.yaml_text(test.document | {"rule_files": files}), encoding="utf-8"
        )
        started = time.monotonic()
        try:
            return self._tool.run("test", "rules", path).returncode != 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            self._seconds[test.path] = time.monotonic() - started


def _damaged(mutant: Mutant) -> dict[str, Any]:
    document: dict[str, Any] = source.read(mutant.site.file).documents[0]
    rules = document["groups"][mutant.site.group]["rules"]
    rules[mutant.site.rule : mutant.site.rule + 1] = [] if mutant.after is None else [mutant.after]
    return document
