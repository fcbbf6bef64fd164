"""Settings of the worker and of the relay."""

from __future__ import annotations

from dataclasses import dataclass

from observability.instrumentation.environment import (
    http_url,
    integer,
    nested,
    port_number,
    setting,
)
from service.settings import CACHE_PORT, CommonSettings, DatabaseSettings, RedisSettings


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(CommonSettings):
    """Settings of the worker and of the relay.

    Args:
        cache: The API's, into which the worker writes an order that it changed.
        public_url: Where the dashboards are reached from outside; empty if only from this machine.
        worker_concurrency: Child processes, each of which runs one task at a time.
        queue_limit: Messages that a queue may hold before an alert fires; the broker's memory
            is the true limit, and a message takes about 2 kB of it.
    """

    worker_metrics_port: int = setting("ORDERS_WORKER_METRICS_PORT", 9465, port_number)
    relay_metrics_port: int = setting("ORDERS_RELAY_METRICS_PORT", 9466, port_number)
    database: DatabaseSettings = nested(DatabaseSettings, "ORDERS_DATABASE_", user="orders_worker")
    cache: RedisSettings = nested(RedisSettings, "ORDERS_CACHE_", port=CACHE_PORT)
    broker: RedisSettings = nested(RedisSettings, "ORDERS_BROKER_", port=16380)
    payment_provider_url: str = setting(
        "ORDERS_PAYMENT_PROVIDER_URL", "http://127.0.0.1:8081", http_url
    )
    smtp_host: str = setting("ORDERS_SMTP_HOST", "127.0.0.1")
    smtp_port: int = setting("ORDERS_SMTP_PORT", 1025, port_number)
    public_url: str = setting("SIGHTLINE_URL", "", http_url)
    worker_concurrency: int = setting("ORDERS_WORKER_CONCURRENCY", 4, integer(1, 64))
    queue_limit: int = setting("ORDERS_QUEUE_LIMIT", 10_000, integer(1, 10_000_000))
