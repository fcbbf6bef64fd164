"""The shape of slo.yaml: an unknown key is an error, because it would be ignored silently."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from alerts.promrules.errors import Place, RefusedError
from alerts.promrules.source import Key, Source
from alerts.symptoms.alert import PAGE, TICKET

WINDOW = "{{.window}}"
NAME = re.compile(r"[a-z0-9-]+")
QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'|`[^`]*`")
RANGE = re.compile(r"\[[^\]]*\]")

DECOY = "decoy"
EVENTS = ("good", "bad", "total")
COUNTS = (*EVENTS, DECOY)
ALERTS = {"page_alert": PAGE, "ticket_alert": TICKET}

# Required keys, then optional ones.
DOCUMENT = ("service", "labels", "slos"), ("version",)
LABELS = ("team",), ()
SLO = (
    ("name", "objective", "description", "sli", "alerting"),
    ("x_zero_without_errors", "x_min_bad_events", "x_tiers", "x_test_series"),
)
SLI = ("events",), ()
QUERIES = ("error_query", "total_query"), ()
ALERTING = ("name",), tuple(ALERTS)
ONE_ALERT = (), ("labels", "disable")
ALERT_LABELS = (), ("severity",)
TIER = ("name", "factor", "long_window", "short_window", "for", "severity"), ()
SERIES = ("counts", "series"), ()
TEXTS = ("version", "service", "team", "name", "description", *QUERIES[0], "series", "severity")

Form = tuple[tuple[str, ...], tuple[str, ...]]
Path = tuple[Key, ...]
Fault = tuple[Place, str]


def check_shape(source: Source) -> None:
    """Check every key of a file of SLOs, and each value that would be misread.

    Raises:
        RefusedError: Names every fault with the file, the line and what was expected.
    """
    found = list(_Shape(source).faults())
    if found:
        raise RefusedError(found)


class _Shape:
    """The faults of one file; each method yields those of one level."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.names: dict[str, Place] = {}

    def faults(self) -> Iterator[Fault]:
        if not self.source.documents:
            yield self.source.place(), f"the file is empty; expected {_listed(*DOCUMENT)}"
        for number, document in enumerate(self.source.documents):
            yield from self._document(document, (number,))

    def _document(self, document: Any, at: Path) -> Iterator[Fault]:
        yield from self._keys(document, at, DOCUMENT)
        if not isinstance(document, dict):
            return
        if "labels" in document:
            yield from self._keys(document["labels"], (*at, "labels"), LABELS)
        if "slos" in document:
            for slo, place in self._list(document["slos"], (*at, "slos")):
                yield from self._slo(slo, place)
            if not isinstance(document["slos"], list) or not document["slos"]:
                yield self.source.place(*at, "slos"), "slos: expected a list of SLOs"

    def _slo(self, slo: Any, at: Path) -> Iterator[Fault]:
        yield from self._keys(slo, at, SLO)
        if not isinstance(slo, dict):
            return
        yield from self._name(slo, at)
        if "sli" in slo:
            yield from self._sli(slo["sli"], (*at, "sli"))
        if not isinstance(slo.get("x_zero_without_errors", False), bool):
            place = self.source.place(*at, "x_zero_without_errors")
            yield place, "x_zero_without_errors: expected true or false"
        for tier, keys in self._list(slo.get("x_tiers", []), (*at, "x_tiers")):
            yield from self._keys(tier, keys, TIER)
        yield from self._series(slo, at)
        if "alerting" in slo:
            yield from self._alerting(slo, (*at, "alerting"))

    def _name(self, slo: dict[str, Any], at: Path) -> Iterator[Fault]:
        name, place = slo.get("name"), self.source.place(*at, "name")
        if not isinstance(name, str):
            return
        if not NAME.fullmatch(name):
            yield place, f"name: {name!r}; expected lowercase letters, digits, hyphens: [a-z0-9-]+"
        elif name in self.names:
            yield place, f"name: {name!r} is taken by {self.names[name]}; expected another"
        else:
            self.names[name] = place

    def _sli(self, sli: Any, at: Path) -> Iterator[Fault]:
        yield from self._keys(sli, at, SLI)
        if not isinstance(sli, dict) or "events" not in sli:
            return
        events, here = sli["events"], (*at, "events")
        yield from self._keys(events, here, QUERIES)
        for key in QUERIES[0]:
            if isinstance(events, dict) and isinstance(events.get(key), str):
                ranges = RANGE.findall(QUOTED.sub('""', events[key]))
                fixed = [text for text in ranges if WINDOW not in text]
                if fixed or not ranges:
                    text = f"reads {fixed[0]}" if fixed else "has no range"
                    yield self.source.place(*here, key), f"{key} {text}; expected [{WINDOW}]"

    def _series(self, slo: dict[str, Any], at: Path) -> Iterator[Fault]:
        at = (*at, "x_test_series")
        roles = set()
        for entry, place in self._list(slo.get("x_test_series"), at):
            yield from self._keys(entry, place, SERIES)
            if isinstance(entry, dict):
                roles.add(str(entry.get("counts")))
                if "counts" in entry and entry["counts"] not in COUNTS:
                    text = f"counts: {entry['counts']!r}; expected {', '.join(COUNTS)}"
                    yield self.source.place(*place, "counts"), text
        if len(roles.intersection(EVENTS)) < 2 and roles <= {*COUNTS}:
            text = f"{slo.get('name')} needs x_test_series: {'/'.join(EVENTS)}, two of the three"
            yield self.source.place(*at), text

    def _alerting(self, slo: dict[str, Any], at: Path) -> Iterator[Fault]:
        alerting = slo["alerting"]
        yield from self._keys(alerting, at, ALERTING)
        for key, severity in ALERTS.items():
            if not isinstance(alerting, dict) or key not in alerting:
                continue
            alert, here = alerting[key], (*at, key)
            yield from self._keys(alert, here, ONE_ALERT)
            if not isinstance(alert, dict):
                continue
            labels = alert.get("labels", {})
            yield from self._keys(labels, (*here, "labels"), ALERT_LABELS)
            if isinstance(labels, dict) and labels.get("severity", severity) != severity:
                place = self.source.place(*here, "labels", "severity")
                yield place, f"{key}: severity {labels['severity']!r}; expected {severity}"
            if alert.get("disable") and severity in _severities(slo):
                text = f"disable is not supported; expected x_tiers without severity {severity}"
                yield self.source.place(*here, "disable"), f"{key}: {text}"

    def _list(self, value: Any, at: Path) -> Iterator[tuple[Any, Path]]:
        if isinstance(value, list):
            yield from ((item, (*at, index)) for index, item in enumerate(value))

    def _keys(self, value: Any, at: Path, form: Form) -> Iterator[Fault]:
        needed, optional = form
        if not isinstance(value, dict):
            name = f"{at[-1]}: " if isinstance(at[-1], str) else ""
            yield self.source.place(*at), f"{name}expected the keys {_listed(*form)}"
            return
        for key in value:
            if key not in (*needed, *optional):
                text = f"unknown key {key!r}; expected {_listed(*form)}"
                yield self.source.place(*at, key), text
            elif key in TEXTS and not isinstance(value[key], str):
                yield self.source.place(*at, key), f"{key}: {value[key]!r}; expected a string"
        for key in needed:
            if key not in value:
                yield self.source.place(*at), f"{key!r} is missing"


def _listed(needed: tuple[str, ...], optional: tuple[str, ...]) -> str:
    return ", ".join((*needed, *optional))


def _severities(slo: dict[str, Any]) -> set[str]:
    """Return the severities of an SLO's tiers; the profiles' tiers have both."""
    tiers = slo.get("x_tiers")
    if not isinstance(tiers, list) or not tiers:
        return set(ALERTS.values())
    return {str(tier.get("severity")) for tier in tiers if isinstance(tier, dict)}
