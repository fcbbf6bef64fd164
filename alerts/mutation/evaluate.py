"""Whether a suite notices a mutant, and if not, which case came closest."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.mutation.mutants import Mutant
from alerts.promrules.durations import parse, show
from alerts.promrules.promtool import Promtool
from alerts.promrules.suite import Case, TestDocument, cases, document_of, rule_document, yaml_text
from alerts.promrules.test_file import EXPR_TESTS, RULE_TESTS

GOT = re.compile(r"got:\s*(.*)")


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Args:
        mutant: The mutant.
        killed_by: Name of the case that noticed; empty if none did.
        closest: For a survivor, the case that came closest and why it was not enough.
    """

    mutant: Mutant
    killed_by: str
    closest: str = ""


class Judge:
    """Runs the cases that can notice a mutant, cheap and lately successful ones first.

    Args:
        promtool: Which promtool runs them.
        tests: The suite.
        seconds: After this long a run counts as noticed.
    """

    def __init__(self, promtool: Promtool, tests: list[TestDocument], seconds: float = 120) -> None:
        self._promtool = promtool
        self._tests = tests
        self._seconds = seconds
        self._kills: dict[tuple[Path, int], int] = {}
        self._cases: dict[tuple[Path, str], list[Case]] = {}

    def cases(self, mutant: Mutant) -> list[Case]:
        """Return the cases that can notice a mutant, in the order of trying."""
        key = (mutant.site.file, mutant.site.name)
        if key not in self._cases:
            tests = [test for test in self._tests if mutant.site.file in test.files]
            self._cases[key] = [case for test in tests for case in cases(test, mutant.site.name)]
        return sorted(self._cases[key], key=self._rank)

    def _rank(self, case: Case) -> float:
        return case.cost / (1 + self._kills.get((case.test.path, case.index), 0))

    def judge(self, mutant: Mutant) -> Verdict:
        """Return whether any case notices."""
        for case in self.cases(mutant):
            if self._run(case, mutant).returncode:
                key = (case.test.path, case.index)
                self._kills[key] = self._kills.get(key, 0) + 1
                return Verdict(mutant, case.name)
        return Verdict(mutant, "", self._closest(mutant))

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
            Path(folder, "rules.yml").write_text(yaml_text(rules), encoding="utf-8")
            path = Path(folder, "case.test.yml")
            path.write_text(yaml_text(document), encoding="utf-8")
            try:
                return self._promtool.run("test", "rules", path)
            except subprocess.TimeoutExpired:
                return subprocess.CompletedProcess([], 1, "timed out")

    def _closest(self, mutant: Mutant) -> str:
        """Return the case in which the rule's result changed unseen, or the nearest to that."""
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
    """Return a test that always fails and so prints a digest of the rule's whole course."""
    asserted = case.document.get(RULE_TESTS, []) + case.document.get(EXPR_TESTS, [])
    times = [str(entry.get("eval_time", "0s")) for entry in asserted]
    last = max(parse("0s" if time == "0" else time) for time in times)
    step = str(case.test.document.get("evaluation_interval", "1m"))
    name = mutant.site.name
    series = name if "record" in mutant.before else f'ALERTS{{alertname="{name}"}}'
    window = show(max(last, parse(step)) + parse(step))
    digest = f"sum by (alertstate) (sum_over_time({series}[{window}:{step}]))"
    never = [{"labels": "never", "value": -1}]
    return {"expr": digest, "eval_time": show(last), "exp_samples": never}
