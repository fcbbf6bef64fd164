"""Run a suite against a mutant: which case notices it, or comes closest."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from ..promrules import durations, promtool, yaml_text
from .mutants import Mutant
from .suite import EXPR_TESTS, RULE_TESTS, Case, TestDocument, cases, document_of, rule_document
from .whole_files import Outcome, WholeFiles

GOT = re.compile(r"got:\s*(.*)")


class Evaluator:
    """A runner of the cases that can notice a mutant, cheap and recently successful ones first.

    A case that fails without any damage lacks something that its file has, so that its verdict says
    nothing: the whole file decides instead.

    Args:
        tool: Runs the tests.
        tests: The suite.
    """

    def __init__(self, tool: promtool.Promtool, tests: list[TestDocument]) -> None:
        self._tool = tool
        self._tests = tests
        self._kills: Counter[tuple[Path, int]] = Counter()
        self._cases: dict[tuple[Path, str], list[Case]] = {}
        self._passes: dict[tuple[Path, int, str, frozenset[str]], bool] = {}

    def cases(self, mutant: Mutant) -> list[Case]:
        """Return the cases that can notice a mutant, in the order of trying."""
        key = (mutant.site.file, mutant.site.name)
        if key not in self._cases:
            tests = [test for test in self._tests if mutant.site.file in test.files]
            self._cases[key] = [case for test in tests for case in cases(test, mutant.site.name)]
        return sorted(self._cases[key], key=self._rank)

    def _rank(self, case: Case) -> float:
        return case.cost / (1 + self._kills[case.test.path, case.index])

    def evaluate(self, mutant: Mutant) -> Outcome:
        """Return which case notices a mutant."""
        undecided: dict[Path, TestDocument] = {}
        for case in self.cases(mutant):
            if self._run(case, mutant).returncode:
                if self._passes_undamaged(case):
                    self._kills[case.test.path, case.index] += 1
                    return Outcome(mutant, case.name)
                undecided[case.test.path] = case.test
        whole = WholeFiles(self._tool, list(undecided.values())).evaluate(mutant)
        return whole if whole.killed_by else Outcome(mutant, "", self._closest(mutant))

    def _passes_undamaged(self, case: Case) -> bool:
        key = (case.test.path, case.index, str(case.asserted), case.keep)
        if key not in self._passes:
            self._passes[key] = self._run(case, None).returncode == 0
        return self._passes[key]

    def _run(
        self, case: Case, mutant: Mutant | None, extra: list[dict[str, Any]] | None = None
    ) -> subprocess.CompletedProcess[str]:
        site, after = (mutant.site, mutant.after) if mutant else (None, None)
        rules = rule_document(case, site, after)
        document = document_of(case, rules, "rules.yml")
        if extra is not None:
            cut = {k: v for k, v in case.document.items() if k not in {RULE_TESTS, EXPR_TESTS}}
            document["tests"] = [cut | {EXPR_TESTS: extra}]
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            Path(folder, "rules.yml").write_text(yaml_text.yaml_text(rules), encoding="utf-8")
            path = Path(folder, "case.test.yml")
            path.write_text(yaml_text.yaml_text(document), encoding="utf-8")
            try:
                return self._tool.run("test", "rules", path)
            except subprocess.TimeoutExpired:
                return subprocess.CompletedProcess([], 1, "timed out")

    def _closest(self, mutant: Mutant) -> str:
        """Return a case in which the rule's result changes, or else the one that reads it most."""
        candidates = self.cases(mutant)
        if not candidates:
            return "no case asserts anything that depends on this rule"
        for case in candidates:
            probes = [_probe(case, mutant)]
            before, after = (self._run(case, m, probes).stdout for m in (None, mutant))
            if GOT.findall(before) != GOT.findall(after):
                return f"{case.name!r}: the result changes there, but no assertion depends on it"
        most = max(candidates, key=lambda case: len(case.document.get(EXPR_TESTS, [])))
        return f"{most.name!r} reads it, but its traffic gives the same result"


def _probe(case: Case, mutant: Mutant) -> dict[str, Any]:
    """Return an assertion that always fails, so that promtool prints a digest of the rule."""
    every, name = case.every, mutant.site.name
    series = name if "record" in mutant.before else f'ALERTS{{alertname="{name}"}}'
    window = durations.show(max(case.last, every) + every)
    digest = f"sum by (alertstate) (sum_over_time({series}[{window}:{durations.show(every)}]))"
    never = [{"labels": "never", "value": -1}]
    return {"expr": digest, "eval_time": durations.show(case.last), "exp_samples": never}
