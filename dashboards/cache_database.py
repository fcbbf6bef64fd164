"""Cache and database: does the cache spare the database, and is the database well?"""

from __future__ import annotations

from alerts.spec import load_objectives
from dashboards import queries as q
from dashboards.board import Board, Row, choice
from dashboards.panels import UP, Look, Query, number, series
from observability.instrumentation import semconv as kit


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="cache-database",
        title="Cache and database",
        about="Does the cache spare the database? Does anybody wait for a connection?",
        rows=(_now(), _cache(), _pool(), _postgres(), _redis()),
        variables=(choice("cache", "Cache", f"label_values({kit.CACHE_REQUESTS.name}, cache)"),),
    )


def _hits() -> Look:
    """Return how hit ratios are read; the objective is the SLO file's."""
    objective = {o.name: o.objective / 100 for o in load_objectives()}["orders-cache-hits"]
    return Look("percentunit", (objective * 0.75, objective), rising=False, highest=1)


def _now() -> Row:
    breaker = {"0": ("closed", "#009E73"), "1": ("half-open", "#E69F00"), "2": ("open", "#D55E00")}
    return Row(
        "Now",
        (
            number("Dependencies", "As the processes themselves reach them.",
                   Query(q.dependency_up(), "{{dependency}}"), UP, size=(12, 4), spark=False),
            number("Hit ratio", "Share of look-ups that the cache answered. Good: above the "
                   "objective; low after a start, by design.",
                   Query(q.cache_hit_ratio(), "{{cache}}"), _hits(), size=(6, 4)),
            number("Circuit breaker", "Open: calls are refused without trying, for a while.",
                   Query(q.breaker_state(), "{{dependency}}"), Look(words=breaker), size=(6, 4),
                   spark=False),
        ),
    )  # fmt: skip


def _cache() -> Row:
    return Row(
        "Does the cache spare the database?",
        (
            series("Hit ratio", "Good: above the dashed objective.",
                   (Query(q.cache_hit_ratio(), "{{cache}}"),), _hits()),
            series("Look-ups by result", "An error costs a database query; a bypass was asked for.",
                   (Query(q.cache_rate(), "{{result}}"),), Look("ops"), stacked=True),
            series("Duration of cache commands", "p99; good: about a millisecond.",
                   (Query(q.cache_duration_quantile(0.99), "{{cache}}"),), Look("s", (0.01, 0.05))),
        ),
    )  # fmt: skip


def _pool() -> Row:
    return Row(
        "Does anybody wait for a connection?",
        (
            series("Connections in use", "Share of the pool; at 1 the next request waits.",
                   (Query(q.pool_use_ratio(), "{{pool}}"),),
                   Look("percentunit", (0.75, 0.9), highest=1)),
            series("Wait for a connection", "p99; good: under a millisecond.",
                   (Query(q.pool_wait_quantile(0.99), "{{pool}}"),), Look("s", (0.05, 0.5))),
            series("Waiting, and given up", "Requests in line now, and time-outs per second.",
                   (Query(q.pool_waiting(), "{{pool}} waiting"),
                    Query(q.pool_timeouts(), "{{pool}} time-outs"))),
        ),
    )  # fmt: skip


def _postgres() -> Row:
    return Row(
        "Inside PostgreSQL",
        (
            series("Transactions", "Commits per second.",
                   (Query(q.postgres_transactions(), "{{datname}}"),), Look("ops")),
            series("Connections", "Open ones; the server allows 100.",
                   (Query(q.postgres_connections(), "{{datname}}"),)),
            series("Reads from memory", "Share of block reads that its own cache answered.",
                   (Query(q.postgres_cache_ratio(), "ratio"),),
                   Look("percentunit", (0.9, 0.99), rising=False, highest=1)),
        ),
        only_in="docker",
    )  # fmt: skip


def _redis() -> Row:
    return Row(
        "Inside Redis",
        (
            series("Memory", "The cache stays below its limit by giving keys up; the broker never "
                   "gives any up.", (Query(q.redis_memory(), "{{job}}"),), Look("bytes")),
            series("Keys given up", "Normal for the cache when full; never for the broker.",
                   (Query(q.redis_evictions(), "{{job}}"),), Look("ops")),
            series("Commands", "Per second.", (Query(q.redis_commands(), "{{job}}"),), Look("ops")),
        ),
        only_in="docker",
    )  # fmt: skip
