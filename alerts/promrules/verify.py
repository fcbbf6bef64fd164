"""Compare rules with a running Prometheus: which series does each rule lack there?"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RulesError
from .promtool import find_rules
from .reading import Selector, selectors
from .source import read

TIMEOUT = 10
LOOK_BACK = "5m"


@dataclass(frozen=True)
class Missing:
    """A selector that finds no series.

    Args:
        rule: Name of the alert or recording.
        selector: The selector, as PromQL.
        loose: Whether the metric exists with other labels.
    """

    rule: str
    selector: str
    loose: bool


def verify(address: str, paths: Sequence[Path], report: Callable[[str], object]) -> int:
    """Report which series each rule lacks.

    Args:
        address: The address of the Prometheus.
        paths: Rule files, or folders with rule files.
        report: Called with each line.

    Returns:
        The exit code: 1 if any rule lacks a series.
    """
    rules = _rules(paths)
    recorded = {str(rule["record"]) for rule in rules if "record" in rule}
    found = list(missing(address, rules, recorded))
    for entry in found:
        hint = "the metric is there, with other labels" if entry.loose else "no such metric"
        report(f"{entry.rule}: {entry.selector}: {hint}")
    lacking = len({entry.rule for entry in found})
    report(f"{len(rules)} rules read, {lacking} lack a series on {address}")
    return 1 if found else 0


def missing(
    address: str, rules: Iterable[dict[str, Any]], recorded: Iterable[str]
) -> Iterable[Missing]:
    """Return each raw series that a rule reads and the Prometheus does not have.

    Args:
        address: The address of the Prometheus.
        rules: As in rule files.
        recorded: Names that the rules record; they are not looked for.
    """
    skip = set(recorded)
    answers: dict[str, bool] = {}

    def has(query: str) -> bool:
        if query not in answers:
            answers[query] = _has(address, query)
        return answers[query]

    for rule in rules:
        name = rule.get("record") or rule["alert"]
        wanted = {show(s): s.name for s in selectors(rule["expr"]) if s.name not in skip}
        for text, metric in sorted(wanted.items()):
            if not has(text):
                yield Missing(name, text, has(metric))


def show(selector: Selector) -> str:
    """Return a selector as PromQL, without its range."""
    conditions = ",".join(f"{m.label}{m.op}{json.dumps(m.value)}" for m in selector.matchers)
    return selector.name + (f"{{{conditions}}}" if conditions else "")


def _rules(paths: Sequence[Path]) -> list[dict[str, Any]]:
    files = find_rules(paths)
    if not files:
        raise RulesError(f"no rule files in {', '.join(map(str, paths))}")
    groups = [group for file in files for group in read(file).documents[0]["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def _has(address: str, selector: str) -> bool:
    query = urllib.parse.urlencode({"query": f"count(last_over_time({selector}[{LOOK_BACK}]))"})
    url = f"{address.rstrip('/')}/api/v1/query?{query}"
    if not url.startswith(("http://", "https://")):
        raise RulesError(f"{address}: expected an address such as http://127.0.0.1:9090")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - checked above
            return bool(json.load(answer)["data"]["result"])
    except (OSError, ValueError, KeyError) as error:
        raise RulesError(f"{address} does not answer as Prometheus does: {error}") from error
