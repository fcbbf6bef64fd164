"""The shape of slo.yaml: an unknown key is an error, because it would be ignored silently."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from alerts.promrules.errors import Place, RefusedError
from alerts.promrules.source import Key, Source
from alerts.slo.sloth import WINDOW
from alerts.symptoms.alert import PAGE, TICKET

# As sloth: a name is part of file names and of a label's value.
NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'|`[^`]*`")
RANGE = re.compile(r"\[[^\]]*\]")

DECOY = "decoy"
EVENTS = ("good", "bad", "total")
COUNTS = (*EVENTS, DECOY)
ALERTS = {"page_alert": PAGE, "ticket_alert": TICKET}
# Labels of the generated rules.
OWN_LABELS = frozenset(
    {"alertname", "slo", "service", "profile", "slo_period", "burn", "long_window", "short_window"}
)
VERSION = "prometheus/v1"

# Required keys, then optional ones.
DOCUMENT = ("service", "slos"), ("version", "labels", "slo_plugins")
SLO = (
    ("name", "objective", "sli", "alerting"),
    (
        "description",
        "labels",
        "plugins",
        "x_zero_without_errors",
        "x_min_bad_events",
        "x_tiers",
        "x_test_series",
    ),
)
SLI = (), ("events", "raw", "plugin")
QUERIES = ("error_query", "total_query"), ()
RAW = ("error_ratio_query",), ()
ALERTING = ("name",), ("labels", "annotations", *ALERTS)
ONE_ALERT = (), ("labels", "annotations", "disable")
TIER = ("name", "factor", "long_window", "short_window", "for", "severity"), ()
SERIES = ("counts", "series"), ()
TEXTS = ("version", "service", "name", "description", *QUERIES[0], *RAW[0], "series")
# Plugins are programs of sloth's; what takes the place of each.
PLUGINS = {
    "slo_plugins": "remove it",
    "plugins": "remove it",
    "plugin": "write `events` with the queries of the plugin",
}

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
        if isinstance(document, dict) and str(document.get("apiVersion", "")).startswith("openslo"):
            text = f"OpenSLO is not read; expected {VERSION}: sum(total) - sum(good) is error_query"
            yield self.source.place(*at, "apiVersion"), text
            return
        yield from self._keys(document, at, DOCUMENT)
        if not isinstance(document, dict):
            return
        if document.get("version", VERSION) != VERSION:
            text = f"version: {document['version']!r}; expected {VERSION}"
            yield self.source.place(*at, "version"), text
        yield from self._labels(document, at)
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
        yield from self._labels(slo, at)
        if "sli" in slo:
            yield from self._sli(slo["sli"], (*at, "sli"))
        if not isinstance(slo.get("x_zero_without_errors", False), bool):
            place = self.source.place(*at, "x_zero_without_errors")
            yield place, "x_zero_without_errors: expected true or false"
        for tier, keys in self._list(slo.get("x_tiers", []), (*at, "x_tiers")):
            yield from self._keys(tier, keys, TIER)
            if isinstance(tier, dict) and tier.get("severity", PAGE) not in ALERTS.values():
                text = f"{tier['severity']!r} is not a severity; expected {PAGE} or {TICKET}"
                yield self.source.place(*keys, "severity"), text
        yield from self._series(slo, at)
        if "alerting" in slo:
            yield from self._alerting(slo, (*at, "alerting"))

    def _name(self, slo: dict[str, Any], at: Path) -> Iterator[Fault]:
        name, place = slo.get("name"), self.source.place(*at, "name")
        if not isinstance(name, str):
            return
        if not NAME.fullmatch(name):
            yield place, f"name: {name!r}; expected letters, digits, hyphens, dots, underscores"
        elif name in self.names:
            yield place, f"name: {name!r} is taken by {self.names[name]}; expected another"
        else:
            self.names[name] = place

    def _sli(self, sli: Any, at: Path) -> Iterator[Fault]:
        yield from self._keys(sli, at, SLI)
        if not isinstance(sli, dict) or "plugin" in sli:
            return
        given = [key for key in ("events", "raw") if key in sli]
        if len(given) != 1:
            yield self.source.place(*at), "sli: expected either events or raw"
            return
        (kind,) = given
        queries, form = sli[kind], QUERIES if kind == "events" else RAW
        yield from self._keys(queries, (*at, kind), form)
        for key in form[0]:
            if isinstance(queries, dict) and isinstance(queries.get(key), str):
                yield from self._query(queries[key], (*at, kind, key))

    def _query(self, query: str, at: Path) -> Iterator[Fault]:
        ranges = RANGE.findall(QUOTED.sub('""', query))
        fixed = [text for text in ranges if WINDOW not in text]
        if fixed or not ranges:
            text = f"reads {fixed[0]}" if fixed else "has no range"
            yield self.source.place(*at), f"{at[-1]} {text}; expected [{WINDOW}]"

    def _labels(self, level: dict[str, Any], at: Path) -> Iterator[Fault]:
        """Yield the faults of the labels of a document, an SLO or an alert, and its annotations."""
        for kind in ("labels", "annotations"):
            if kind not in level:
                continue
            if not isinstance(level[kind], dict):
                yield self.source.place(*at, kind), f"{kind}: expected names and values"
                continue
            for name, value in level[kind].items():
                place = self.source.place(*at, kind, name)
                if not LABEL.fullmatch(str(name)):
                    yield place, f"{name!r} is not a name; expected letters, digits, underscores"
                elif kind == "labels" and name in OWN_LABELS:
                    yield place, f"label {name!r} is set by the generator; expected another name"
                if isinstance(value, (list, dict, type(None))) or value == "":
                    yield place, f"{name}: {value!r}; expected a string"

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
        if roles and len(roles.intersection(EVENTS)) < 2 and roles <= {*COUNTS}:
            text = f"{slo.get('name')} needs x_test_series: {'/'.join(EVENTS)}, two of the three"
            yield self.source.place(*at), text

    def _alerting(self, slo: dict[str, Any], at: Path) -> Iterator[Fault]:
        alerting = slo["alerting"]
        disabled = [key for key in ALERTS if _disables(alerting, key)]
        form = ((), (*ALERTING[0], *ALERTING[1])) if len(disabled) == len(ALERTS) else ALERTING
        yield from self._keys(alerting, at, form)
        if not isinstance(alerting, dict):
            return
        yield from self._labels(alerting, at)
        for key in ALERTS:
            if key in alerting:
                yield from self._keys(alerting[key], (*at, key), ONE_ALERT)
            if isinstance(alerting.get(key), dict):
                yield from self._labels(alerting[key], (*at, key))
        if _severities(slo) <= {ALERTS[key] for key in disabled}:
            text = "every alert is disabled, so the SLO tells no one; enable page_alert or"
            yield self.source.place(*at), f"{text} ticket_alert, or remove the SLO"

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
            elif key in PLUGINS:
                text = f"{key}: plugins are not supported; {PLUGINS[key]}"
                yield self.source.place(*at, key), text
            elif key in TEXTS and not isinstance(value[key], str):
                yield self.source.place(*at, key), f"{key}: {value[key]!r}; expected a string"
        for key in needed:
            if key not in value:
                yield self.source.place(*at), f"{key!r} is missing"


def _disables(alerting: Any, key: str) -> bool:
    alert = alerting.get(key) if isinstance(alerting, dict) else None
    return isinstance(alert, dict) and bool(alert.get("disable"))


def _listed(needed: tuple[str, ...], optional: tuple[str, ...]) -> str:
    return ", ".join((*needed, *optional))


def _severities(slo: dict[str, Any]) -> set[str]:
    """Return the severities of an SLO's tiers; the profiles' tiers have both."""
    tiers = slo.get("x_tiers")
    if not isinstance(tiers, list) or not tiers:
        return set(ALERTS.values())
    return {str(tier.get("severity")) for tier in tiers if isinstance(tier, dict)}
