"""Checks that refuse rules which load, look healthy, and can never work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from alerts.links import has_runbook
from alerts.paths import HERE
from alerts.promql import LE
from alerts.promrules.durations import number, show
from alerts.promrules.errors import Place, RefusedError
from alerts.promrules.model import Alert, Group, Rule
from alerts.promrules.reading import Selector, grouping_labels, selectors
from alerts.slo.burn_rate import reachable
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile
from alerts.symptoms.orders import P99_SECONDS
from alerts.vocabulary import Vocabulary
from observability.instrumentation.semconv import HTTP_SERVER_REQUEST_DURATION

MIN_SCRAPES = 4
LITERAL = re.compile(r"[A-Za-z0-9_-]+(\|[A-Za-z0-9_-]+)*")

Refusal = tuple[Place, str]


def refuse(
    groups: Iterable[Group], objectives: Iterable[Objective], profiles: Iterable[Profile]
) -> None:
    """Check every rule before it is written.

    Raises:
        RefusedError: Names every fault with the file and the line to edit.
    """
    groups, profiles = list(groups), list(profiles)
    vocabulary = Vocabulary(groups)
    found = dict.fromkeys(slo_faults(objectives, profiles))
    found |= dict.fromkeys(_p99_faults())
    for group in groups:
        for rule in group.rules:
            place = rule.place or _where(rule)
            scrape = profiles[0].scrape
            found |= dict.fromkeys((place, t) for t in _rule_faults(rule, vocabulary, scrape))
    if found:
        raise RefusedError(list(found))


def slo_faults(objectives: Iterable[Objective], profiles: Iterable[Profile]) -> Iterator[Refusal]:
    """Yield why SLOs can never work, whatever their metrics are called."""
    profiles = list(profiles)
    for objective in objectives:
        for profile in profiles:
            yield from _objective_faults(objective, profile)
    for profile in profiles:
        yield from _profile_faults(profile)


def _objective_faults(objective: Objective, profile: Profile) -> Iterator[Refusal]:
    if objective.budget <= 0 or objective.budget >= 1:
        yield objective.place("objective"), "the objective must be between 0 and 100 percent"
        return
    for tier in objective.tiers(profile):
        if not reachable(tier.factor, objective.budget):
            ratio = number(tier.factor * objective.budget)
            place = tier.place if objective.own_tiers else objective.place("objective")
            text = f"{objective.name}: tier {tier.name} can never fire: a burn rate of"
            yield place, f"{text} {number(tier.factor)} needs an error ratio of {ratio} (at most 1)"


def _profile_faults(profile: Profile) -> Iterator[Refusal]:
    least = MIN_SCRAPES * profile.scrape
    for tier in profile.tiers:
        if tier.short_window < least:
            text = f"{show(tier.short_window)} holds fewer than {MIN_SCRAPES} scrapes"
            yield tier.place, f"tier {tier.name}: {text} of {show(profile.scrape)}"
        if tier.short_window >= tier.long_window:
            yield tier.place, f"tier {tier.name}: the short window is not shorter than the long one"


def _p99_faults() -> Iterator[Refusal]:
    buckets = HTTP_SERVER_REQUEST_DURATION.buckets
    if P99_SECONDS not in buckets:
        yield _in_source("P99_SECONDS ="), f"the p99 threshold {P99_SECONDS} is not a bucket"
    if max(buckets) <= P99_SECONDS:
        text = f"the p99 threshold {P99_SECONDS} is not below the top bucket {max(buckets)}:"
        yield _in_source("P99_SECONDS ="), f"{text} a quantile never reads higher"


def _rule_faults(rule: Rule, vocabulary: Vocabulary, scrape: timedelta) -> Iterator[str]:
    try:
        read = selectors(rule.expr)
    except ValueError as error:
        yield f"{rule.name}: {error}"
        return
    for selector in read:
        yield from _selector_faults(rule, selector, vocabulary)
        if selector.window and selector.window < MIN_SCRAPES * scrape:
            yield f"{rule.name}: [{show(selector.window)}] holds fewer than {MIN_SCRAPES} scrapes"
    known = set().union(*(vocabulary.labels.get(s.name, frozenset()) for s in read))
    for label in sorted(grouping_labels(rule.expr) - known - {LE}):
        yield f"{rule.name}: groups by {label!r}, a label of none of its metrics"
    if isinstance(rule, Alert) and not has_runbook(rule.name):
        yield f"{rule.name} has no runbook alerts/runbooks/{rule.name}.md"


def _selector_faults(rule: Rule, selector: Selector, vocabulary: Vocabulary) -> Iterator[str]:
    if fault := vocabulary.fault(selector.name):
        yield f"{rule.name}: {fault}"
        return
    for matcher in selector.matchers:
        values = [""]
        if matcher.op == "=":
            values = [matcher.value]
        elif LITERAL.fullmatch(matcher.value):
            values = matcher.value.split("|")
        for value in values:
            if fault := vocabulary.fault(selector.name, matcher.label, value):
                yield f"{rule.name}: {fault}"


def _where(rule: Rule) -> Place:
    return _in_source(f'"{rule.name}"')


def _in_source(text: str) -> Place:
    """Return the line of this package's Python that has the text."""
    for path in sorted(HERE.rglob("*.py")):
        for number_, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if text in line and path != Path(__file__):
                return Place(path.relative_to(HERE.parent), number_)
    return Place(Path("alerts"), 1)
