"""SLO and error budget: what was promised, what is left, and how fast it goes."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.boards.alerts_table import alerts_table
from dashboards.grafana.dashboard import Board, Row
from dashboards.grafana.panels import Panel, bars, note, number, series
from dashboards.grafana.style import GOOD, PLAIN, PURPLE, SKY, WARN, Column, Look, Query
from dashboards.grafana.tables import rows
from dashboards.objectives import Speed, good_ratios, speeds

LEFT = Look("percentunit", (0.1, 0.5), rising=False, highest=1, decimals=1)
SLO_COLOURS = {
    f"/^{slo}/": colour
    for slo, colour in zip(good_ratios(), (SKY, PURPLE, WARN, GOOD, PLAIN), strict=False)
}
WORDS = "\n".join(
    [
        "An alert speaks when the budget burns this fast over both of its windows:",
        "",
        *(
            f"- **{one.name}**: {one.factor:g} times too fast, over {one.long_window} and "
            f"{one.short_window}: a {one.severity}"
            for one in speeds()
        ),
        "",
        "In the demo profile every window lasts a twelfth of its name.",
        "How soon that is, in theory and measured: `docs/measurements/detection.md`.",
        "What to do: `alerts/runbooks/`.",
    ]
)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="slo",
        title="SLO and error budget",
        about="What did we promise, how much of the budget is left, and how fast does it burn?",
        rows=(_promise(), _burn(), _speaks()),
    )


def _promise() -> Row:
    return Row(
        "What is left?",
        (
            number("Good now", "Share of good events in the shortest window; amber below the "
                   "promise. A moment below it breaks nothing: see the budget.",
                   Query(q.slo_good_ratio(), "{{slo}}"),
                   Look("percentunit", highest=1, decimals=2, floors=good_ratios()), size=(24, 4)),
            bars("Error budget left", "Of the whole period, as far as Prometheus has seen it. At "
                 "zero the promise is broken.", Query(q.slo_budget_remaining(), "{{slo}}"), LEFT),
            bars("How much of the period is known", "Prometheus has seen this share of it; what it "
                 "has not seen counts as not burned.", Query(q.slo_coverage(), "{{slo}}"),
                 Look("percentunit", highest=1, decimals=1)),
            series("Error budget left over time", "A cliff is an incident; a slope is a habit.",
                   (Query(q.slo_budget_remaining(), "{{slo}}"),),
                   Look("percentunit", (0.1, 0.5), rising=False, highest=1, colours=SLO_COLOURS)),
        ),
    )  # fmt: skip


def _burn() -> Row:
    return Row("How fast does it burn?", tuple(_tier(speed) for speed in speeds()))


def _tier(speed: Speed) -> Panel:
    """Return how fast the budgets burn over the two windows of a tier."""
    long_window, short_window = speed.long_window, speed.short_window
    queries = (
        Query(q.slo_burn(long_window), f"{{{{slo}}}} {long_window}"),
        Query(q.slo_burn(short_window), f"{{{{slo}}}} {short_window}"),
    )
    bounds = (min(1.0, speed.factor / 2), speed.factor)
    return series(
        f"Burn rate, {speed.name} tier",
        f"1 spends the budget exactly by the end of the period. A {speed.severity} needs both "
        f"windows, {long_window} and (dashed) {short_window}, above {speed.factor:g}.",
        queries,
        Look("none", bounds, decimals=2, colours=SLO_COLOURS, dashed=f"/ {short_window}$/"),
        size=(12, 8),
        many=True,
    )


def _speaks() -> Row:
    promised = (Column("slo", "Promise"), Column("Value", "Good events", 110, unit="percentunit"))
    return Row(
        "What fires?",
        (
            alerts_table((16, 8)),
            rows("Promises", "What share of events must be good.", Query(q.slo_objective()),
                 promised, Look("percentunit", decimals=1), size=(8, 8)),
            note(WORDS, size=(24, 6)),
        ),
    )  # fmt: skip
