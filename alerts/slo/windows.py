"""Profiles: the windows that every SLO is evaluated over, read from windows.*.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from alerts.paths import HERE
from alerts.promrules.durations import parse, show
from alerts.promrules.errors import Place, RulesError
from alerts.promrules.source import Key, Source, read
from alerts.slo.burn_rate import burn_rate_factor

PROFILES = ("production", "demo")


@dataclass(frozen=True)
class Tier:
    """One burn rate that is worth an alert.

    Args:
        name: fast, high, slow or creep; the label `burn`.
        factor: Multiple of the sustainable rate.
        long_window: The burn rate must exceed the factor over this window.
        short_window: The same over this one, so that the alert ends soon after the errors.
        hold: The alert's `for`.
        severity: page or ticket.
        place: The line that defines it.
    """

    name: str
    factor: float
    long_window: timedelta
    short_window: timedelta
    hold: timedelta
    severity: str
    place: Place


@dataclass(frozen=True)
class Profile:
    """The windows and intervals of one profile; see the comments of its file."""

    name: str
    source: Source
    period: timedelta
    scale: int
    scrape: timedelta
    interval: timedelta
    period_interval: timedelta
    base_window: timedelta
    raw_up_to: timedelta
    gap: timedelta
    period_gap: timedelta
    missing_hold: timedelta
    exhausted_hold: timedelta
    tiers: tuple[Tier, ...]

    def suffix(self, window: timedelta) -> str:
        """Return a window's part of a series' name: its production length."""
        return show(window * self.scale)


def load_profile(name: str, folder: Path = HERE) -> Profile:
    """Return a profile.

    Raises:
        RulesError: The file is missing or an entry is wrong; names file and line.
    """
    source = read(folder / f"windows.{name}.yaml")
    document = source.documents[0]
    period = _span(source, "spec", "sloPeriod")
    return Profile(
        name=document["x_profile"],
        source=source,
        period=period,
        scale=int(document["x_scale"]),
        scrape=_span(source, "x_scrape"),
        interval=_span(source, "x_interval"),
        period_interval=_span(source, "x_period_interval"),
        base_window=_span(source, "x_base_window"),
        raw_up_to=_span(source, "x_raw_up_to"),
        gap=_span(source, "x_gap"),
        period_gap=_span(source, "x_period_gap"),
        missing_hold=_span(source, "x_missing_for"),
        exhausted_hold=_span(source, "x_exhausted_for"),
        tiers=_tiers(source, period),
    )


def _tiers(source: Source, period: timedelta) -> tuple[Tier, ...]:
    places = [(kind, speed) for kind in ("page", "ticket") for speed in ("quick", "slow")]
    return tuple(_tier(source, period, kind, speed) for kind, speed in places)


def _tier(source: Source, period: timedelta, kind: str, speed: str) -> Tier:
    keys = ("spec", kind, speed)
    long_window = _span(source, *keys, "longWindow")
    percent = float(_entry(source, *keys, "errorBudgetPercent"))
    return Tier(
        name=str(_entry(source, *keys, "x_name")),
        factor=burn_rate_factor(percent, period, long_window),
        long_window=long_window,
        short_window=_span(source, *keys, "shortWindow"),
        hold=_span(source, *keys, "x_for"),
        severity=kind,
        place=source.place(0, *keys),
    )


def _entry(source: Source, *keys: Key) -> Any:
    value = source.documents[0]
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise RulesError(f"{source.place(0, *keys)}: {'.'.join(map(str, keys))} is missing")
        value = value[key]
    return value


def _span(source: Source, *keys: Key) -> timedelta:
    text = str(_entry(source, *keys))
    try:
        return parse(text)
    except ValueError as error:
        raise RulesError(f"{source.place(0, *keys)}: {error}") from error
