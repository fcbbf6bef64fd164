"""Home: is it well, what fires, and where to go."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.board import Board, Row
from dashboards.panels import (
    UP,
    Link,
    Look,
    Query,
    bars,
    note,
    number,
    rows,
    series,
)

LEFT = Look("percentunit", (0.1, 0.5), rising=False, lowest=0, highest=1)
WORDS = (
    "**[Service](/d/service)** rate, errors, duration · **[Worker and queues](/d/worker)** · "
    "**[Cache and database](/d/cache-database)** · **[SLO and error budget](/d/slo)** · "
    "**[Telemetry health](/d/telemetry)** · **[One order](/d/order)** follow one from the request "
    "to the e-mail"
)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="home",
        title="Home",
        about="Is it well? What fires? Where to go?",
        rows=(_well(), _orders(), _speaks()),
    )


def _well() -> Row:
    return Row(
        "Is it well?",
        (
            note(WORDS),
            number("Pages", "Alerts for which somebody is woken. Good is none.",
                   Query(q.alerts_count("page")), Look(good_to_bad=(1, 1)), size=(3, 6),
                   links=(Link("Error budget", "slo"),)),
            number("Tickets", "Alerts that can wait for the morning. Good is none.",
                   Query(q.alerts_count("ticket")), Look(good_to_bad=(1, 5)), size=(3, 6)),
            bars("Error budget left", "Four promises. At zero one is broken.",
                 Query(q.slo_budget_remaining(), "{{slo}}"), LEFT, size=(9, 6),
                 links=(Link("Error budget", "slo"),)),
            number("Dependencies", "As the processes themselves reach them.",
                   Query(q.dependency_up(), "{{dependency}}"), UP, size=(9, 6), spark=False,
                   links=(Link("Cache and database", "cache-database"),)),
        ),
    )  # fmt: skip


def _orders() -> Row:
    return Row(
        "What happens to orders?",
        (
            series("Orders placed and finished", "What is placed is finished within seconds.",
                   (Query(q.orders_placed(), "placed"), Query(q.orders_finished(), "{{outcome}}")),
                   Look("ops"), links=(Link("Worker and queues", "worker"),)),
            series("Burn rate, last hour", "1 spends the budget exactly by the end of the period.",
                   (Query(q.slo_burn("1h"), "{{slo}}"),), Look("none", (1, 6))),
            series("Oldest message", "How late work is.",
                   (Query(q.queue_oldest_age().replace("$queue", ".+"), "{{queue}}"),),
                   Look("s", (60, 120)), links=(Link("Worker and queues", "worker"),)),
        ),
    )  # fmt: skip


def _speaks() -> Row:
    return Row(
        "What fires?",
        (
            rows("Alerts", "Watchdog always fires: it proves that alerting works.",
                 Query(q.alerts_firing()), hidden=("Value", "alertstate"), size=(24, 7)),
        ),
    )  # fmt: skip
