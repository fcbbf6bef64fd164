"""The style of values: units, axes, thresholds and texts; without Grafana's SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dashboards.grafana.colours import BAD, GOOD, PLAIN, WARN

NO_DATA = "no data"
# The value at which the warning starts, and the value that is bad.
Thresholds = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """The unit, axis, colours and thresholds of a panel's values.

    Args:
        unit: Grafana's name of the unit.
        thresholds: Values of the warning and of the bad state; None colours nothing.
        high_is_bad: Whether values above the thresholds are the bad ones.
        minimum: Start of the axis.
        maximum: End of the axis, if the values have a limit.
        soft_maximum: The axis ends at this value or higher; None: at the thresholds, if high is
            bad.
        texts: Text and colour of single values, by value.
        colours: Colour of a series by a regular expression of its name, written `/…/`; without
            the slashes Grafana compares it with the whole name.
        minimums: By name of a series, the value from which on it is good; below it is amber.
        dashed: Regular expression of the names of series with dashed lines.
        decimals: Digits after the point; None lets Grafana choose.
        logarithmic: Whether the axis is logarithmic, for values of very different size.
        absent: What a panel shows instead of a value that does not exist; None is Grafana's text.
        absent_colour: The colour of that text.
    """

    unit: str = "short"
    thresholds: Thresholds | None = None
    high_is_bad: bool = True
    minimum: float | None = 0
    maximum: float | None = None
    soft_maximum: float | None = None
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    minimums: Mapping[str, float] = field(default_factory=dict)
    dashed: str = ""
    decimals: int | None = None
    logarithmic: bool = False
    absent: str | None = NO_DATA
    absent_colour: str = WARN

    def steps(self) -> list[tuple[float | None, str]]:
        """Return the colours by the value at which they start, the lowest first."""
        if self.thresholds is None:
            return [(None, PLAIN)]
        low, high = sorted(self.thresholds)
        first, last = (GOOD, BAD) if self.high_is_bad else (BAD, GOOD)
        return [(None, first), (low, WARN), (high, last)]

    def axis_end(self) -> float | None:
        """Return the value that the axis includes at least; None if the values decide."""
        if self.soft_maximum is not None or self.maximum is not None:
            return self.soft_maximum
        # Keeps the objective in view, and with it the distance to it.
        return self.thresholds[1] * 1.05 if self.thresholds and self.high_is_bad else None


@dataclass(frozen=True)
class Link:
    """A link from a panel to another dashboard; it keeps the time range.

    Args:
        title: The text of the link.
        uid: The dashboard's uid.
    """

    title: str
    uid: str

    @property
    def url(self) -> str:
        """Return the address, relative to Grafana or to the console."""
        return f"/d/{self.uid}?${{__url_time_range}}"


@dataclass(frozen=True)
class Query:
    """One PromQL query of a panel.

    Args:
        expr: The query.
        legend: The name of a series; `{{label}}` is replaced by the label's value.
        exemplars: Whether exemplars are shown as dots that link to traces.
    """

    expr: str
    legend: str = "__auto"
    exemplars: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        label: Label of the query's result, or `Value`.
        title: The column's heading.
        width: Pixels; 0 shares the remaining width.
        unit: Grafana's name of the unit.
        texts: Text and colour of single values, by value.
        link: Title and address of a cell's link; `${__value.raw}` is replaced by its value.
        absent: Text of a cell without a value, instead of the panel's.
    """

    label: str
    title: str
    width: int = 0
    unit: str = ""
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    link: tuple[str, str] | None = None
    absent: str = ""


@dataclass(frozen=True)
class Frame:
    """The properties that every kind of panel has.

    Args:
        title: The name of what it shows, in the words that an engineer searches for.
        description: What the panel shows and what good looks like.
        style: Unit, axis, colours and thresholds of its values.
        size: Width in columns of 24, and height in rows.
        links: Dashboards that it links to.
    """

    title: str
    description: str
    style: Style = Style()
    size: tuple[int, int] = (8, 8)
    links: Sequence[Link] = ()


UP = Style(maximum=1, texts={"0": ("down", BAD), "1": ("up", GOOD)})
# The state of a target, of which there is none any more.
GONE = replace(UP, absent="gone", absent_colour=BAD)
BREAKER = Style(texts={"0": ("closed", GOOD), "1": ("half-open", WARN), "2": ("open", BAD)})
# A rate or a count that should be 0: a line at 0 lies at the bottom of the axis, not in its middle.
NONE_IS_GOOD = Style("ops", soft_maximum=0.1)
COUNT = Style("none", soft_maximum=1, decimals=0)


def warn_before(limit: float, share: float = 0.5) -> Thresholds:
    """Return thresholds that warn before a limit and are bad at it.

    Args:
        limit: The limit of an alert or an objective.
        share: Part of the limit at which the warning starts, 0-1.
    """
    return (limit * share, limit)
