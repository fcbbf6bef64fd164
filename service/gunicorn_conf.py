"""Gunicorn's configuration of the API: `-c python:service.gunicorn_conf`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from observability.instrumentation.dependencies import DependencyProbes, bound_lookups
from observability.instrumentation.gunicorn import GunicornHooks
from observability.instrumentation.logs import logging_config
from service.memory import share_before_fork
from service.settings import Settings, require_metrics_folder
from service.storage.postgres import connect
from service.storage.redis_clients import make_client
from service.web.gunicorn_response import replace_responses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker
    from prometheus_client.registry import Collector

    from service.storage.database import Database

PROBE_SECONDS = 1.0

settings = Settings.from_env_or_exit()
require_metrics_folder(settings.telemetry)
bound_lookups()


def probe_database() -> None:
    """Raise unless PostgreSQL answers."""
    with connect(settings.database, "orders-probe") as conn:
        conn.execute("SELECT 1")


def probe_cache() -> None:
    """Raise unless the cache answers."""
    with make_client(settings.cache, timeout_seconds=PROBE_SECONDS) as client:
        client.ping()


def collectors() -> Iterable[Collector]:
    """Return the collectors that the main process reads at each scrape."""
    return [DependencyProbes({"postgres": probe_database, "cache": probe_cache})]


def post_worker_init(worker: Worker) -> None:
    """Connect before the first request has to wait for it."""
    database_of(worker).open()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Close the worker's database connections and flush its telemetry."""
    if getattr(worker, "wsgi", None):
        database_of(worker).close()
    hooks.worker_exit(server, worker)


def database_of(worker: Worker) -> Database:
    """Return the database of the app that a worker serves."""
    found: Database = worker.wsgi.extensions["orders"]["database"]
    return found


bind = f"{settings.bind_host}:{settings.port}"
workers = settings.workers
worker_class = "gthread"
# Children share the memory of what the main process imported; the app connects after the fork.
preload_app = True
threads = settings.threads
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# Longer than the gateway keeps a connection, so that it never reuses one that is closed here.
keepalive = 75
timeout = 30
graceful_timeout = 10
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
control_socket_disable = True
logconfig_dict = logging_config(settings.telemetry)

replace_responses()
hooks = GunicornHooks(
    settings.telemetry,
    metrics_port=settings.metrics_port,
    metrics_host=settings.bind_host,
    trusted_hosts=settings.trusted_hosts,
    collectors=collectors,
)
when_ready = hooks.when_ready
pre_fork = share_before_fork
post_fork = hooks.post_fork
child_exit = hooks.child_exit
on_exit = hooks.on_exit
