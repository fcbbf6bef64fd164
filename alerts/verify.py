"""Tell an adopter which series of which rule are missing on their Prometheus."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.paths import RULES
from alerts.promrules.errors import AlertsError
from alerts.promrules.promtool import find_rules
from alerts.promrules.reading import Selector, selectors
from alerts.promrules.source import read

TIMEOUT = 10
DEFAULT = (RULES / "production", RULES / "common")
LOOK_BACK = "5m"


@dataclass(frozen=True)
class Missing:
    """A selector that finds nothing.

    Args:
        rule: Name of the alert or recording.
        selector: What it reads.
        loose: Whether the metric exists, only not with these labels.
    """

    rule: str
    selector: str
    loose: bool


def verify(address: str, paths: Sequence[Path], say: Callable[[str], object]) -> int:
    """Print which series each rule lacks; return 1 if any does."""
    rules = _rules(paths)
    recorded = {str(rule["record"]) for rule in rules if "record" in rule}
    found = list(missing(address, rules, recorded))
    for entry in found:
        hint = "the metric is there, with other labels" if entry.loose else "no such metric"
        say(f"{entry.rule}: {entry.selector}: {hint}")
    lacking = len({entry.rule for entry in found})
    say(f"{len(rules)} rules read, {lacking} lack a series on {address}")
    return 1 if found else 0


def missing(
    address: str, rules: Iterable[dict[str, Any]], recorded: Iterable[str]
) -> Iterable[Missing]:
    """Return each raw series that a rule reads and the Prometheus does not have.

    Args:
        address: Of the Prometheus.
        rules: As in rule files.
        recorded: Names that the rules themselves make; they need not be there yet.
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
    chosen = list(paths) or list(DEFAULT)
    files = [f for path in chosen for f in ([path] if path.is_file() else find_rules([path]))]
    if not files:
        raise AlertsError(f"no rule files in {', '.join(map(str, chosen))}")
    groups = [group for file in files for group in read(file).documents[0]["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def _has(address: str, selector: str) -> bool:
    query = urllib.parse.urlencode({"query": f"count(last_over_time({selector}[{LOOK_BACK}]))"})
    url = f"{address.rstrip('/')}/api/v1/query?{query}"
    if not url.startswith(("http://", "https://")):
        raise AlertsError(f"{address}: expected an address such as http://127.0.0.1:9090")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - checked above
            return bool(json.load(answer)["data"]["result"])
    except (OSError, ValueError, KeyError) as error:
        raise AlertsError(f"{address} does not answer as Prometheus does: {error}") from error
