"""Cache and database: hit ratio, latency, connection pool, PostgreSQL and Redis."""

from __future__ import annotations

from dataclasses import replace

from alerts.symptoms.dependencies import POOL_RATIO
from dashboards import queries as q
from dashboards.grafana.colours import BAD, GOOD, GREY, PLAIN, WARN
from dashboards.grafana.dashboard import Dashboard, Row, choice
from dashboards.grafana.panels import stat, timeseries
from dashboards.grafana.style import BREAKER, NONE_IS_GOOD, UP, Query, Style, warn_before
from dashboards.objectives import good_ratios
from observability.instrumentation import semconv as kit

RESULTS = {"hit": GOOD, "miss": WARN, "error": BAD, "bypass": GREY}
HITS = good_ratios()["orders-cache-hits"]
HIT_RATIO = Style("percentunit", (HITS * 0.75, HITS), high_is_bad=False, maximum=1, decimals=1)
DEPENDENCIES = (
    "As seen by the service and worker processes. No data: the processes that use it are gone. "
    "Good: all up."
)
USAGE = Style("percentunit", warn_before(POOL_RATIO, 0.8), maximum=1)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="cache-database",
        title="Cache and database",
        description="Cache, connection pool, PostgreSQL, Redis. "
        "Good: hit ratio above its objective, no waiting.",
        rows=(_overview(), _cache(), _pool(), _postgres(), _redis()),
        variables=(choice("cache", "Cache", f"label_values({kit.CACHE_REQUESTS.name}, cache)"),),
    )


def _overview() -> Row:
    return Row(
        "Overview",
        (
            stat("Dependency status", DEPENDENCIES,
                 Query(q.now(q.dependency_up(), q.DEPENDENCIES), "{{dependency}}"), UP,
                 size=(12, 7), one_per_line=True),
            stat("Cache hit ratio", "Share of lookups that the cache answered. Good: above the "
                 "objective; low for a while after a start, when the cache is empty.",
                 Query(q.now(q.cache_hit_ratio(), q.CACHES), "{{cache}}"),
                 replace(HIT_RATIO, absent="no lookups"), size=(6, 7)),
            stat("Circuit breaker state", "Good: closed. Open: calls fail at once, without an "
                 "attempt, for a while.",
                 Query(q.now(q.breaker_state(), q.BREAKERS), "{{dependency}}"), BREAKER,
                 size=(6, 7), one_per_line=True),
        ),
    )  # fmt: skip


def _cache() -> Row:
    return Row(
        "Cache",
        (
            timeseries("Cache hit ratio over time", "Good: above the green line, the objective.",
                       (Query(q.cache_hit_ratio(), "{{cache}}"),), HIT_RATIO),
            timeseries("Cache lookups by result", "Good: mostly hits, no errors. All others cost "
                       "a database query; a bypass skips Redis after it has failed.",
                       (Query(q.cache_rate(), "{{result}}"),), Style("ops", colours=RESULTS),
                       stacked=True),
            timeseries("Cache command latency p99", "Good: about a millisecond.",
                       (Query(q.cache_duration_quantile(0.99), "{{cache}}"),),
                       Style("s", (0.01, 0.05))),
        ),
    )  # fmt: skip


def _pool() -> Row:
    return Row(
        "Connection pool",
        (
            timeseries("Connection pool usage", "Share of the pool's connections in use. Good: "
                       "below the lines; at 100 % the next request waits.",
                       (Query(q.pool_use_ratio(), "{{pool}}"),), USAGE),
            timeseries("Connection wait p99", "Good: under a millisecond.",
                       (Query(q.pool_wait_quantile(0.99), "{{pool}}"),), Style("s", (0.05, 0.5))),
            timeseries("Waiting requests and timeouts", "Requests waiting for a connection, and "
                       "timeouts per second. Good: both 0.",
                       (Query(q.pool_waiting(), "{{pool}} waiting"),
                        Query(q.pool_timeouts(), "{{pool}} timeouts/s")),
                       Style("none", soft_maximum=1)),
        ),
    )  # fmt: skip


def _postgres() -> Row:
    return Row(
        "PostgreSQL",
        (
            timeseries("Transaction rate", "Commits per second.",
                       (Query(q.postgres_transactions(), "{{datname}}"),), Style("ops")),
            timeseries("Server connections used", "Share of `max_connections`. Good: below the "
                       "lines; at 100 % PostgreSQL refuses new connections.",
                       (Query(q.postgres_connection_ratio(), "open"),), USAGE),
            timeseries("Buffer cache hit ratio", "Share of block reads that PostgreSQL answered "
                       "from memory. Good: above 99 %.",
                       (Query(q.postgres_cache_ratio(), "ratio"),),
                       Style("percentunit", (0.9, 0.99), high_is_bad=False, maximum=1)),
        ),
        only_in="docker",
    )  # fmt: skip


def _redis() -> Row:
    colours = {"/^cache/": PLAIN, "/^broker/": WARN}
    return Row(
        "Redis",
        (
            timeseries("Memory used", "The cache evicts keys to stay below its limit; the broker "
                       "never evicts.", (Query(q.redis_memory(), "{{job}}"),),
                       Style("bytes", colours=colours)),
            timeseries("Evicted keys", "Keys per second. Normal for a full cache; must be 0 for "
                       "the broker.",
                       (Query(q.redis_evictions(), "{{job}}"),), NONE_IS_GOOD),
            timeseries("Command rate", "Commands per second.",
                       (Query(q.redis_commands(), "{{job}}"),), Style("ops", colours=colours)),
        ),
        only_in="docker",
    )  # fmt: skip
