"""A suite of promtool tests, cut down to what one rule can influence.

A mutant is run against the cases whose assertions depend on its rule, with a rule file that holds
only what those assertions need: most runs take a tenth of a second.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from ..promrules import durations, errors, reading, rule_sites, source, test_file

# The series that Prometheus makes of alerts.
OF_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
# Stands among the names that an expression reads for all of them.
ANY = "*"
RULE_TESTS, EXPR_TESTS = test_file.RULE_TESTS, test_file.EXPR_TESTS


@dataclass
class TestDocument:
    """A promtool test file and the rules that it loads.

    Args:
        path: The test file.
        document: The file as data.
        files: Its rule files, in the order of loading.
    """

    __test__ = False

    path: Path
    document: dict[str, Any]
    files: list[Path]
    rules: dict[str, list[tuple[rule_sites.Site, dict[str, Any]]]] = field(default_factory=dict)

    @cached_property
    def reads(self) -> dict[str, set[str]]:
        """Return what each rule's name reads; rules of one name count together."""
        return {
            name: set().union(*(mentioned(str(rule["expr"])) for _, rule in entries))
            for name, entries in self.rules.items()
        }

    def affected(self, name: str) -> set[str]:
        """Return a rule's name and every name that depends on it."""
        found, grown = {name}, True
        while grown:
            more = {other for other, read_ in self.reads.items() if read_ & {*found, ANY}} - found
            found |= more
            grown = bool(more)
        return found

    def needed(self, wanted: Iterable[str]) -> set[str]:
        """Return names and every rule that they depend on."""
        found: set[str] = set()
        open_ = list(wanted)
        while open_:
            name = open_.pop()
            if name == ANY:
                return set(self.reads)
            if name in self.reads and name not in found:
                found.add(name)
                open_ += self.reads[name]
        return found


@dataclass(frozen=True)
class Case:
    """A test case that can notice a change of a rule.

    Args:
        test: Its file.
        index: Which of the file's tests.
        document: The case, with only the assertions that can notice.
        keep: The rules that these need.
    """

    test: TestDocument
    index: int
    document: dict[str, Any]
    keep: frozenset[str]

    @property
    def name(self) -> str:
        """Return the case's name, or its number."""
        return str(self.document.get("name") or f"{self.test.path.name} number {self.index + 1}")

    @property
    def asserted(self) -> list[dict[str, Any]]:
        """Return its assertions, on alerts and on expressions."""
        return [entry for kind in (RULE_TESTS, EXPR_TESTS) for entry in self.document.get(kind, [])]

    @property
    def last(self) -> timedelta:
        """Return the time of its last assertion."""
        return max(eval_time(entry) for entry in self.asserted)

    @property
    def every(self) -> timedelta:
        """Return the interval of evaluation."""
        return durations.parse(str(self.test.document.get("evaluation_interval", "1m")))

    @property
    def cost(self) -> float:
        """Return an estimate of its running time: evaluations times rules."""
        return (self.last / self.every + 1) * len(self.keep)


def eval_time(assertion: dict[str, Any]) -> timedelta:
    """Return the time of an assertion; promtool takes 0 without a unit."""
    text = str(assertion.get("eval_time", "0s"))
    return durations.parse("0s" if text == "0" else text)


def load(path: Path) -> TestDocument:
    """Return a test file.

    Raises:
        RulesError: One of its rule files does not exist; promtool would not report it.
    """
    document: dict[str, Any] = source.read(path).documents[0]
    files = []
    for pattern in document.get("rule_files", []):
        found = sorted(glob.glob(str(path.parent / pattern)))  # noqa: PTH207 - an absolute pattern works too
        if not found:
            raise errors.RulesError(f"{path}: rule_files: nothing matches {pattern}")
        files += [Path(name).resolve() for name in found]
    test = TestDocument(path, document, files)
    for file in files:
        for site, rule in rule_sites.sites(file):
            test.rules.setdefault(site.name, []).append((site, rule))
    return test


def cases(test: TestDocument, name: str) -> list[Case]:
    """Return the cases of a file that can notice a change of the rule of this name.

    Assertions on the rule itself and assertions on rules that depend on it become two cases: the
    first needs fewer rules and notices most damage.
    """
    affected = test.affected(name)
    found = []
    for index, whole in enumerate(test.document.get("tests", [])):
        for wanted in ({name}, affected - {name}):
            case = _cut(test, index, whole, wanted)
            if case is not None:
                found.append(case)
    return found


def _cut(test: TestDocument, index: int, whole: dict[str, Any], wanted: set[str]) -> Case | None:
    """Return a case with only the assertions on some names, or None without any."""
    alerts = [a for a in whole.get(RULE_TESTS, []) if a["alertname"] in wanted]
    exprs = [e for e in whole.get(EXPR_TESTS, []) if mentioned(e["expr"]) & {*wanted, ANY}]
    if not alerts and not exprs:
        return None
    read_ = {a["alertname"] for a in alerts}.union(*(mentioned(e["expr"]) for e in exprs))
    keep = test.needed(read_)
    inputs = read_.union(*(test.reads[name] for name in keep))
    cut = {k: v for k, v in whole.items() if k not in {RULE_TESTS, EXPR_TESTS}}
    series = whole.get("input_series", [])
    # promtool does not run a case without series; an unrelated one does no harm.
    read_here = [s for s in series if ANY in inputs or metric(s["series"]) in {"", *inputs}]
    cut["input_series"] = read_here or series[:1]
    cut |= ({RULE_TESTS: alerts} if alerts else {}) | ({EXPR_TESTS: exprs} if exprs else {})
    return Case(test, index, cut, frozenset(keep))


def metric(series: str) -> str:
    """Return the metric of an input series; empty where only a label names it."""
    return series.partition("{")[0].strip()


def mentioned(expr: str) -> set[str]:
    """Return the metrics and the alerts that an expression reads.

    `ANY` is among them where it chooses series by a regular expression, or alerts by anything but
    their name.
    """
    found: set[str] = set()
    for selector in reading.selectors(expr):
        found.add(selector.name or ANY)
        if selector.name in OF_ALERTS:
            alerts = {m.value for m in selector.matchers if (m.label, m.op) == ("alertname", "=")}
            found |= alerts or {ANY}
    return found


def rule_document(
    case: Case, site: rule_sites.Site | None, after: dict[str, Any] | None
) -> dict[str, list[dict[str, Any]]]:
    """Return the rules that a case needs, one of them damaged.

    Args:
        case: The case.
        site: The damaged rule; None for none.
        after: What stands there instead; None deletes it.
    """
    groups: list[dict[str, Any]] = []
    for file in case.test.files:
        for g, group in enumerate(read_groups(file)):
            rules = []
            for r, rule in enumerate(group["rules"]):
                name = rule.get("alert") or rule["record"]
                if name not in case.keep:
                    continue
                if site is not None and (site.file, site.group, site.rule) == (file, g, r):
                    if after is not None:
                        rules.append(after)
                else:
                    rules.append(rule)
            if rules:
                groups.append(group | {"rules": rules})
    return {"groups": groups}


_GROUPS: dict[Path, list[dict[str, Any]]] = {}


def read_groups(file: Path) -> list[dict[str, Any]]:
    """Return a rule file's groups, which are read only once."""
    if file not in _GROUPS:
        _GROUPS[file] = source.read(file).documents[0]["groups"]
    return _GROUPS[file]


def document_of(case: Case, rules: dict[str, Any], rule_file: str) -> dict[str, Any]:
    """Return a test file of one case."""
    whole = case.test.document
    present = [group["name"] for group in rules["groups"]]
    document = {
        "rule_files": [rule_file],
        "evaluation_interval": whole.get("evaluation_interval", "1m"),
        "group_eval_order": [n for n in whole.get("group_eval_order", []) if n in present],
        "tests": [case.document],
    }
    return {key: value for key, value in document.items() if value}
