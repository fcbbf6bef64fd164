"""The objectives, read from slo.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alerts.paths import HERE
from alerts.promrules.durations import parse
from alerts.promrules.errors import Place, RefusedError, RulesError
from alerts.promrules.source import Source, read
from alerts.slo.burn_rate import error_budget
from alerts.slo.series import derive
from alerts.slo.shape import ALERTS, check_shape
from alerts.slo.sloth import events_of, normalized
from alerts.slo.windows import Profile, Tier
from alerts.symptoms.alert import PAGE, TICKET

MIN_BAD_EVENTS = 10


@dataclass(frozen=True)
class FixtureSeries:
    """A series of an SLO's tests.

    Args:
        counts: Which events it counts: good, bad, total, or decoy for none.
        series: Name and labels.
    """

    counts: str
    series: str


@dataclass(frozen=True)
class Texts:
    """What an SLO file adds to the alerts of one severity.

    Args:
        labels: With the severity.
        annotations: In place of the generator's, where both have one of a name.
    """

    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True)
class Objective:
    """One SLO, as slo.yaml declares it.

    Args:
        name: The label `slo`.
        service: The service that makes the promise; the label `service`.
        description: The promise, as a sentence.
        objective: Percent of good events.
        error_query: Rate of bad events, with `{{.window}}` in place of its range.
        total_query: Rate of all events, in the same form.
        zero_without_errors: No error series means no errors, as long as the total exists.
        min_bad_events: Fewer in the long window raise no alert.
        alert: Name of its burn alert.
        texts: Labels and annotations of its alerts, by the severity of the tier. A severity that
            is missing is disabled.
        own_tiers: Its own tiers in production durations; empty for the profile's.
        test_series: The input of its tests.
        derived: Whether the test series were derived from the queries.
        source: The file.
        keys: The path of keys to its entry.
    """

    name: str
    service: str
    description: str
    objective: float
    error_query: str
    total_query: str
    zero_without_errors: bool
    min_bad_events: int
    alert: str
    texts: Mapping[str, Texts]
    own_tiers: tuple[Tier, ...]
    test_series: tuple[FixtureSeries, ...]
    derived: bool
    source: Source = field(repr=False)
    keys: tuple[str | int, ...]

    @property
    def budget(self) -> float:
        """Return the part of events that may fail."""
        return error_budget(self.objective)

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of each of its series."""
        return {"slo": self.name, "service": self.service}

    def place(self, *keys: str | int) -> Place:
        """Return the line of one of its entries."""
        return self.source.place(*self.keys, *keys)

    def tiers(self, profile: Profile) -> tuple[Tier, ...]:
        """Return its tiers in a profile's durations, without those that are disabled."""
        tiers = profile.tiers
        if self.own_tiers:
            tiers = tuple(_scaled(tier, profile.scale) for tier in self.own_tiers)
        return tuple(tier for tier in tiers if tier.severity not in self.disabled)

    @property
    def disabled(self) -> set[str]:
        """Return the severities whose alerts are off."""
        return set(ALERTS.values()) - set(self.texts)

    @property
    def lowest(self) -> str:
        """Return the severity of the alerts that can wait: a ticket, unless tickets are off."""
        return TICKET if TICKET in self.texts else PAGE


def load_objectives(path: Path = HERE / "slo.yaml") -> list[Objective]:
    """Return every SLO of a file.

    Raises:
        RulesError: The file is missing or an entry is wrong; names file and line.
    """
    source = normalized(read(path))
    check_shape(source)
    found = []
    for number, document in enumerate(source.documents):
        for index in range(len(document["slos"])):
            keys = (number, "slos", index)
            try:
                found.append(_objective(source, document, index, keys))
            except KeyError as error:
                raise RulesError(f"{source.place(*keys)}: {error} is missing") from error
            except (TypeError, ValueError) as error:
                raise RulesError(f"{source.place(*keys)}: {error}") from error
    return found


def _objective(
    source: Source, document: dict[str, Any], index: int, keys: tuple[str | int, ...]
) -> Objective:
    slo = document["slos"][index]
    error_query, total_query = _queries(slo["sli"], source.place(*keys, "sli"))
    series, derived = slo.get("x_test_series", []), False
    if not series:
        try:
            series, derived = _derived(error_query, total_query), True
        except ValueError as error:
            text = f"{slo['name']}: x_test_series: {error}"
            raise RefusedError([(source.place(*keys), text)]) from error
    # A counter of errors appears with the first error; a difference of two counters never does.
    is_zero = derived and any(entry["counts"] == "bad" for entry in series)
    return Objective(
        name=slo["name"],
        service=document["service"],
        description=slo.get("description") or f"{slo['name']} of {document['service']}.",
        objective=float(slo["objective"]),
        error_query=error_query,
        total_query=total_query,
        zero_without_errors=bool(slo.get("x_zero_without_errors", is_zero)),
        min_bad_events=int(slo.get("x_min_bad_events", MIN_BAD_EVENTS)),
        alert=slo["alerting"]["name"],
        texts=_texts(document, slo),
        own_tiers=tuple(
            _own_tier(tier, source.place(*keys, "x_tiers", place))
            for place, tier in enumerate(slo.get("x_tiers", []))
        ),
        test_series=tuple(FixtureSeries(**entry) for entry in series),
        derived=derived,
        source=source,
        keys=keys,
    )


def _queries(sli: dict[str, Any], place: Place) -> tuple[str, str]:
    """Return the queries of bad and of all events."""
    if events := sli.get("events"):
        return events["error_query"], events["total_query"]
    try:
        return events_of(sli["raw"]["error_ratio_query"])
    except ValueError as error:
        raise RefusedError([(place, f"error_ratio_query: {error}")]) from error


def _derived(error_query: str, total_query: str) -> list[dict[str, str]]:
    pairs = derive(error_query, total_query)
    return [{"counts": counts, "series": series} for counts, series in pairs]


def _texts(document: dict[str, Any], slo: dict[str, Any]) -> dict[str, Texts]:
    alerting = slo["alerting"]
    found = {}
    for key, severity in ALERTS.items():
        alert = alerting.get(key, {})
        if alert.get("disable"):
            continue
        labels = {"severity": severity}
        for level in (document, slo, alerting, alert):
            labels |= {name: _text(value) for name, value in level.get("labels", {}).items()}
        annotations = alerting.get("annotations", {}) | alert.get("annotations", {})
        found[severity] = Texts(labels, {n: _text(value) for n, value in annotations.items()})
    return found


def _text(value: object) -> str:
    """Return a value as YAML writes it: Prometheus' labels and annotations are texts."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _own_tier(tier: dict[str, Any], place: Place) -> Tier:
    return Tier(
        name=tier["name"],
        factor=float(tier["factor"]),
        long_window=parse(tier["long_window"]),
        short_window=parse(tier["short_window"]),
        hold=parse(tier["for"]),
        severity=tier["severity"],
        place=place,
    )


def _scaled(tier: Tier, scale: int) -> Tier:
    long_window, short_window = tier.long_window / scale, tier.short_window / scale
    return replace(tier, long_window=long_window, short_window=short_window, hold=tier.hold / scale)
