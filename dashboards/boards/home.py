"""Home: is it well, what fires, and where to go."""

from __future__ import annotations

from alerts.symptoms.queues import AGE_SECONDS
from dashboards import queries as q
from dashboards.boards.alerts_table import alerts_table
from dashboards.boards.slo import LEFT, SLO_COLOURS
from dashboards.grafana.dashboard import Board, Row
from dashboards.grafana.panels import bars, note, number, series
from dashboards.grafana.style import BAD, GOOD, PURPLE, SKY, UP, WARN, Link, Look, Query, half_way

PLACED = {"placed": SKY, "confirmed": GOOD, "cancelled": WARN, "payment_failed": BAD}
QUEUES = {"orders": SKY, "emails": PURPLE}
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
        rows=(_well(), _speaks(), _orders()),
    )


def _well() -> Row:
    return Row(
        "Is it well?",
        (
            note(WORDS, size=(24, 2)),
            number("Pages", "Alerts for which somebody is woken. Good is none.",
                   Query(q.alerts_count("page")), Look("none", (1, 1)), size=(3, 7),
                   links=(Link("Error budget", "slo"),)),
            number("Tickets", "Alerts that can wait for the morning. Good is none.",
                   Query(q.alerts_count("ticket")), Look("none", (1, 5)), size=(3, 7),
                   links=(Link("Error budget", "slo"),)),
            bars("Error budget left", "A bar for each promise. At zero it is broken.",
                 Query(q.slo_budget_remaining(), "{{slo}}"), LEFT, size=(9, 7),
                 links=(Link("Error budget", "slo"),)),
            number("Dependencies", "As the processes themselves reach them.",
                   Query(q.dependency_up(), "{{dependency}}"), UP, size=(9, 7), spark=False,
                   links=(Link("Cache and database", "cache-database"),)),
        ),
    )  # fmt: skip


def _speaks() -> Row:
    return Row("What fires?", (alerts_table((24, 6)),))


def _orders() -> Row:
    oldest = Query(q.queue_oldest_age('queue=~".+"'), "{{queue}}")
    return Row(
        "What happens to orders?",
        (
            series("Orders placed and finished", "What is placed is finished within seconds.",
                   (Query(q.orders_placed(), "placed"), Query(q.orders_finished(), "{{outcome}}")),
                   Look("ops", colours=PLACED), links=(Link("Worker and queues", "worker"),)),
            series("Burn rate, last hour", "1 spends the budget exactly by the end of the period. "
                   "In the demo profile an hour lasts 5 minutes.",
                   (Query(q.slo_burn("1h"), "{{slo}}"),),
                   Look("none", (1, 6), roof=1.1, colours=SLO_COLOURS, decimals=2),
                   links=(Link("Error budget", "slo"),)),
            series("Oldest message", "How late work is; it pages at the upper line.",
                   (oldest,), Look("s", half_way(AGE_SECONDS), colours=QUEUES),
                   links=(Link("Worker and queues", "worker"),)),
        ),
    )  # fmt: skip
