"""The objectives, read from slo.yaml."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alerts.paths import HERE
from alerts.promrules.durations import parse
from alerts.promrules.errors import Place, RulesError
from alerts.promrules.source import Source, read
from alerts.slo.burn_rate import error_budget
from alerts.slo.shape import check_shape
from alerts.slo.windows import Profile, Tier

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
class Objective:
    """One SLO, as slo.yaml declares it.

    Args:
        name: The label `slo`.
        service: The service that makes the promise; the label `service`.
        team: The team that answers the page; the label `team`.
        description: The promise, as a sentence.
        objective: Percent of good events.
        error_query: Rate of bad events, with `{{.window}}` in place of its range.
        total_query: Rate of all events, in the same form.
        zero_without_errors: No error series means no errors, as long as the total exists.
        min_bad_events: Fewer in the long window raise no alert.
        alert: Name of its burn alert.
        own_tiers: Its own tiers in production durations; empty for the profile's.
        test_series: The input of its tests.
        source: The file.
        keys: The path of keys to its entry.
    """

    name: str
    service: str
    team: str
    description: str
    objective: float
    error_query: str
    total_query: str
    zero_without_errors: bool
    min_bad_events: int
    alert: str
    own_tiers: tuple[Tier, ...]
    test_series: tuple[FixtureSeries, ...]
    source: Source
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
        """Return its tiers in a profile's durations."""
        if not self.own_tiers:
            return profile.tiers
        return tuple(_scaled(tier, profile.scale) for tier in self.own_tiers)


def load_objectives(path: Path = HERE / "slo.yaml") -> list[Objective]:
    """Return every SLO of a file.

    Raises:
        RulesError: The file is missing or an entry is wrong; names file and line.
    """
    source = read(path)
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
    events = slo["sli"]["events"]
    return Objective(
        name=slo["name"],
        service=document["service"],
        team=document["labels"]["team"],
        description=slo["description"],
        objective=float(slo["objective"]),
        error_query=events["error_query"],
        total_query=events["total_query"],
        zero_without_errors=bool(slo.get("x_zero_without_errors", False)),
        min_bad_events=int(slo.get("x_min_bad_events", MIN_BAD_EVENTS)),
        alert=slo["alerting"]["name"],
        own_tiers=tuple(
            _own_tier(tier, source.place(*keys, "x_tiers", place))
            for place, tier in enumerate(slo.get("x_tiers", []))
        ),
        test_series=tuple(FixtureSeries(**entry) for entry in slo.get("x_test_series", [])),
        source=source,
        keys=keys,
    )


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
