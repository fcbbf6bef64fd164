"""How values are read: units, colours, bounds and words; no Grafana here.

Colours are Okabe and Ito's, told apart by all eyes: green is good, amber warns, vermilion is bad,
and the same thing has the same colour on every panel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

GOOD, WARN, BAD, PLAIN = "#009E73", "#E69F00", "#D55E00", "#0072B2"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#999999"
# Bounds from which a value is a warning, then bad.
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """How values are read.

    Args:
        unit: Grafana's name of the unit.
        good_to_bad: Bounds from which a value is a warning, then bad; None leaves it plain.
        rising: Whether high values are the bad ones.
        lowest: Start of the axis.
        highest: End of the axis, where there is a limit.
        roof: The axis reaches at least this far; None: as far as the bounds, where high is bad.
        words: What single values mean, value to word and colour.
        colours: Colour of a series by a regular expression of its name, written `/…/`; without
            the slashes Grafana takes it for the whole name.
        floors: By name of a series, from which value on it is good; below it is amber.
        dashed: Regular expression of the names of series that are drawn dashed.
        decimals: Digits after the point; None lets Grafana choose.
        logarithmic: Whether ten times as much is one step, for values of very different size.
    """

    unit: str = "short"
    good_to_bad: Bounds | None = None
    rising: bool = True
    lowest: float | None = 0
    highest: float | None = None
    roof: float | None = None
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    dashed: str = ""
    decimals: int | None = None
    logarithmic: bool = False

    def steps(self) -> list[tuple[float | None, str]]:
        """Return the colours by value, the lowest first."""
        if self.good_to_bad is None:
            return [(None, PLAIN)]
        low, high = sorted(self.good_to_bad)
        first, last = (GOOD, BAD) if self.rising else (BAD, GOOD)
        return [(None, first), (low, WARN), (high, last)]

    def reach(self) -> float | None:
        """Return how far the axis reaches at least; None where the values decide."""
        if self.roof is not None or self.highest is not None:
            return self.roof
        # So that an objective is in the picture, and with it how far away it is.
        return self.good_to_bad[1] * 1.05 if self.good_to_bad and self.rising else None


@dataclass(frozen=True)
class Link:
    """Where a panel leads to: another dashboard of ours, with the time range kept.

    Args:
        title: What the reader clicks.
        uid: The dashboard's uid.
        variables: More of the address, such as `var-queue=orders`.
    """

    title: str
    uid: str
    variables: str = ""

    @property
    def url(self) -> str:
        """Return the address, relative to Grafana or to the console."""
        more = f"&{self.variables}" if self.variables else ""
        return f"/d/{self.uid}?${{__url_time_range}}{more}"


@dataclass(frozen=True)
class Query:
    """One PromQL query of a panel.

    Args:
        expr: The query.
        legend: How a series is called; `{{label}}` stands for its value.
        exemplars: Whether the traces behind it are shown as dots.
    """

    expr: str
    legend: str = "__auto"
    exemplars: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        label: Label of the query's result, or `Value`.
        title: Its heading.
        width: Pixels; 0 shares what is left.
        unit: Grafana's name of the unit.
        words: What single values mean, value to word and colour.
        link: Title and address that a cell leads to; `${__value.raw}` stands for its value.
    """

    label: str
    title: str
    width: int = 0
    unit: str = ""
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    link: tuple[str, str] | None = None


@dataclass(frozen=True)
class Frame:
    """What every panel has.

    Args:
        title: A question or a noun.
        about: What good looks like.
        look: How its values are read.
        size: Columns of 24, and rows.
        links: Where it leads.
    """

    title: str
    about: str
    look: Look = Look()
    size: tuple[int, int] = (8, 8)
    links: Sequence[Link] = ()


ANY = Look()
UP = Look(highest=1, words={"0": ("down", BAD), "1": ("up", GOOD)})
BREAKER = Look(words={"0": ("closed", GOOD), "1": ("half-open", WARN), "2": ("open", BAD)})
# A rate or a count of which good is none: a line at 0 lies at the bottom, not under a 100.
NONE_IS_GOOD = Look("ops", roof=0.1)
COUNT = Look("none", roof=1, decimals=0)


def half_way(limit: float, share: float = 0.5) -> Bounds:
    """Return bounds that warn before a limit and are bad at it.

    Args:
        limit: Where an alert or an objective says that it is bad.
        share: Part of the limit at which the warning starts.
    """
    return (limit * share, limit)
