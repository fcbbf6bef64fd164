"""Cache and database: does the cache spare the database, and is the database well?"""

from __future__ import annotations

from alerts.symptoms.dependencies import POOL_RATIO
from dashboards import queries as q
from dashboards.grafana.dashboard import Board, Row, choice
from dashboards.grafana.panels import number, series
from dashboards.grafana.style import (
    BAD,
    BREAKER,
    GOOD,
    GREY,
    NONE_IS_GOOD,
    PLAIN,
    UP,
    WARN,
    Look,
    Query,
    half_way,
)
from dashboards.objectives import good_ratios
from observability.instrumentation import semconv as kit

RESULTS = {"hit": GOOD, "miss": WARN, "error": BAD, "bypass": GREY}
HITS = good_ratios()["orders-cache-hits"]
HIT_RATIO = Look("percentunit", (HITS * 0.75, HITS), rising=False, highest=1, decimals=1)
SHARE = Look("percentunit", half_way(POOL_RATIO, 0.8), highest=1)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="cache-database",
        title="Cache and database",
        about="Does the cache spare the database? Does anybody wait for a connection?",
        rows=(_now(), _cache(), _pool(), _postgres(), _redis()),
        variables=(choice("cache", "Cache", f"label_values({kit.CACHE_REQUESTS.name}, cache)"),),
    )


def _now() -> Row:
    return Row(
        "Now",
        (
            number("Dependencies", "As the processes themselves reach them.",
                   Query(q.dependency_up(), "{{dependency}}"), UP, size=(12, 5), spark=False),
            number("Hit ratio now", "Share of look-ups that the cache answered. Good: above the "
                   "objective; low after a start, by design.",
                   Query(q.cache_hit_ratio(), "{{cache}}"), HIT_RATIO, size=(6, 5)),
            number("Circuit breaker", "Open: calls are refused without trying, for a while.",
                   Query(q.breaker_state(), "{{dependency}}"), BREAKER, size=(6, 5), spark=False),
        ),
    )  # fmt: skip


def _cache() -> Row:
    return Row(
        "Does the cache spare the database?",
        (
            series("Hit ratio", "Good: above the green line, the objective.",
                   (Query(q.cache_hit_ratio(), "{{cache}}"),), HIT_RATIO),
            series("Look-ups by result", "An error costs a database query; a bypass was asked for.",
                   (Query(q.cache_rate(), "{{result}}"),), Look("ops", colours=RESULTS),
                   stacked=True),
            series("Duration of cache commands", "p99; good: about a millisecond.",
                   (Query(q.cache_duration_quantile(0.99), "{{cache}}"),), Look("s", (0.01, 0.05))),
        ),
    )  # fmt: skip


def _pool() -> Row:
    return Row(
        "Does anybody wait for a connection?",
        (
            series("Connections in use", "Share of the pool; at 1 the next request waits.",
                   (Query(q.pool_use_ratio(), "{{pool}}"),), SHARE),
            series("Wait for a connection", "p99; good: under a millisecond.",
                   (Query(q.pool_wait_quantile(0.99), "{{pool}}"),), Look("s", (0.05, 0.5))),
            series("Waiting, and given up", "Requests in line now, and time-outs per second.",
                   (Query(q.pool_waiting(), "{{pool}} waiting"),
                    Query(q.pool_timeouts(), "{{pool}} time-outs/s")), Look("none", roof=1)),
        ),
    )  # fmt: skip


def _postgres() -> Row:
    return Row(
        "Inside PostgreSQL",
        (
            series("Transactions", "Commits per second.",
                   (Query(q.postgres_transactions(), "{{datname}}"),), Look("ops")),
            series("Server connections", "Share of those that the server allows; beyond it "
                   "nobody gets in.",
                   (Query(q.postgres_connection_ratio(), "open"),), SHARE),
            series("Reads from memory", "Share of block reads that its own cache answered.",
                   (Query(q.postgres_cache_ratio(), "ratio"),),
                   Look("percentunit", (0.9, 0.99), rising=False, highest=1)),
        ),
        only_in="docker",
    )  # fmt: skip


def _redis() -> Row:
    colours = {"/^cache/": PLAIN, "/^broker/": WARN}
    return Row(
        "Inside Redis",
        (
            series("Memory", "The cache stays below its limit by giving keys up; the broker never "
                   "gives any up.", (Query(q.redis_memory(), "{{job}}"),),
                   Look("bytes", colours=colours)),
            series("Keys given up", "Normal for the cache when full; never for the broker.",
                   (Query(q.redis_evictions(), "{{job}}"),), NONE_IS_GOOD),
            series("Commands", "Per second.",
                   (Query(q.redis_commands(), "{{job}}"),),
                   Look("ops", colours=colours)),
        ),
        only_in="docker",
    )  # fmt: skip
