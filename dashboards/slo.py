"""SLO and error budget: what was promised, what is left, and how fast it goes."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.board import Board, Row
from dashboards.panels import Look, Query, bars, note, number, rows, series

LEFT = Look("percentunit", (0.1, 0.5), rising=False, lowest=0, highest=1)
BURN = Look("none", (1, 6), decimals=2)
# Windows of the four tiers: long, short.
TIERS = (("fast", "1h", "5m"), ("high", "6h", "30m"), ("slow", "1d", "2h"), ("creep", "3d", "6h"))


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
            number("Good now", "Share of good events in the shortest window.",
                   Query(q.slo_good_ratio(), "{{slo}}"), Look("percentunit", highest=1, decimals=3),
                   size=(24, 4)),
            bars("Error budget left", "Of the whole period, as far as Prometheus has seen it. At "
                 "zero the promise is broken.", Query(q.slo_budget_remaining(), "{{slo}}"), LEFT),
            bars("How much of the period is known", "Prometheus has seen this share of it; what it "
                 "has not seen counts as not burned.", Query(q.slo_coverage(), "{{slo}}"),
                 Look("percentunit", highest=1)),
            series("Error budget left over time", "A cliff is an incident; a slope is a habit.",
                   (Query(q.slo_budget_remaining(), "{{slo}}"),), LEFT),
        ),
    )  # fmt: skip


def _burn() -> Row:
    panels = tuple(
        series(
            f"Burn rate, {name} tier",
            f"1 spends the budget exactly by the end of the period. The alert needs both windows, "
            f"{long_window} and {short_window}, above its factor. In the demo profile a window is "
            "a twelfth of its name.",
            (
                Query(q.slo_burn(long_window), f"{{{{slo}}}} {long_window}"),
                Query(q.slo_burn(short_window), f"{{{{slo}}}} {short_window}"),
            ),
            BURN,
            size=(12, 7),
        )
        for name, long_window, short_window in TIERS
    )
    return Row("How fast does it burn?", panels)


def _speaks() -> Row:
    return Row(
        "What fires?",
        (
            rows("Alerts", "Watchdog always fires: it proves that alerting works.",
                 Query(q.alerts_firing()), hidden=("Value", "alertstate"), size=(16, 7)),
            rows("Promises", "What share of events must be good.", Query(q.slo_objective()),
                 Look("percentunit", decimals=3), size=(8, 7)),
            note("How fast each tier speaks at a given error ratio, in theory and measured: "
                 "`docs/detection.md`. What to do when it speaks: `alerts/runbooks/`."),
        ),
    )  # fmt: skip
