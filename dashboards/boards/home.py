"""Home: firing alerts, error budgets, dependencies and orders, with links to the details."""

from __future__ import annotations

from alerts.symptoms.queues import AGE_SECONDS
from dashboards import queries as q
from dashboards.boards.alerts_table import alerts_table
from dashboards.boards.cache_database import DEPENDENCIES
from dashboards.boards.links import TO_BUDGET, TO_CACHE, TO_TELEMETRY, TO_WORKER
from dashboards.boards.slo import BUDGET, SLO_COLOURS
from dashboards.grafana.colours import BAD, GOOD, PURPLE, SKY, WARN
from dashboards.grafana.dashboard import Dashboard, Row
from dashboards.grafana.panels import bar_gauge, stat, text, timeseries
from dashboards.grafana.style import GONE, UP, Query, Style, warn_before

OUTCOMES = {"placed": SKY, "confirmed": GOOD, "cancelled": WARN, "payment_failed": BAD}
QUEUES = {"orders": SKY, "emails": PURPLE}
AGE = Style("m", warn_before(AGE_SECONDS / 60), colours=QUEUES)
PAGES, TICKETS = Style("none", (1, 1)), Style("none", (1, 5))
LINKS = (
    "**[Service](/d/service)** rate, errors, duration · **[Worker and queues](/d/worker)** · "
    "**[Cache and database](/d/cache-database)** · **[SLO and error budget](/d/slo)** · "
    "**[Incidents](/d/incidents)** what fired, and its cost · "
    "**[Telemetry health](/d/telemetry)** · **[Order details](/d/order)** one order from the "
    "request to the email"
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="home",
        title="Home",
        description="Firing alerts, error budgets, dependencies and orders. "
        "Good: no pages, no tickets, all up.",
        rows=(_overview(), Row("Alerts", (alerts_table((24, 6)),)), _orders()),
    )


def _overview() -> Row:
    return Row(
        "Overview",
        (
            text(LINKS, size=(24, 2)),
            stat("Pages", "Firing alerts that page the person on call. Good: 0. No data: no rule "
                 "is evaluated.",
                 Query(q.alerts_count("page")), PAGES, size=(3, 7), links=TO_BUDGET),
            stat("Tickets", "Firing alerts that can wait until the morning. Good: 0. No data: no "
                 "rule is evaluated.",
                 Query(q.alerts_count("ticket")), TICKETS, size=(3, 7), links=TO_BUDGET),
            bar_gauge("Error budget remaining", "One bar per SLO. At 0 % the objective is missed. "
                      "No data: the service is gone, and nothing is measured.",
                      Query(q.now(q.slo_budget_remaining(), q.SLOS), "{{slo}}"), BUDGET,
                      size=(8, 7), links=TO_BUDGET),
            stat("Process status", "Whether each process answered its last scrape. Gone: it has "
                 "no target any more. Good: all up.",
                 Query(q.now(q.targets_up(q.PROCESSES.selector), q.PROCESSES), "{{job}}"), GONE,
                 size=(5, 7), one_per_line=True,
                 links=TO_TELEMETRY),
            stat("Dependency status", DEPENDENCIES,
                 Query(q.now(q.dependency_up(), q.DEPENDENCIES), "{{dependency}}"), UP,
                 size=(5, 7), one_per_line=True, links=TO_CACHE),
        ),
    )  # fmt: skip


def _orders() -> Row:
    oldest = Query(q.minutes(q.queue_oldest_age('queue=~".+"')), "{{queue}}")
    return Row(
        "Orders",
        (
            timeseries("Orders placed and finished", "Per second. Good: orders finish in seconds.",
                       (Query(q.orders_placed(), "placed"),
                        Query(q.orders_finished(), "{{outcome}}")),
                       Style("ops", colours=OUTCOMES), links=TO_WORKER),
            timeseries("Burn rate (1h)", "At 1 the budget lasts exactly until the end of the "
                       "period. Good: below 1. In the demo profile an hour lasts 5 minutes.",
                       (Query(q.slo_burn("1h"), "{{slo}}"),),
                       Style("none", (1, 6), soft_maximum=1.1, colours=SLO_COLOURS, decimals=2),
                       links=TO_BUDGET),
            timeseries("Oldest message age", "How far the worker is behind. It pages at the upper "
                       "line.", (oldest,), AGE, links=TO_WORKER),
        ),
    )  # fmt: skip
