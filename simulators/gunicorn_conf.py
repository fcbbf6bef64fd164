"""Gunicorn's configuration of the payment provider: `-c python:simulators.gunicorn_conf`."""

from __future__ import annotations

from pathlib import Path

from observability.instrumentation.dependencies import bound_lookups
from observability.instrumentation.gunicorn import GunicornHooks
from observability.instrumentation.logs import logging_config
from service.memory import share_before_fork
from service.settings import require_metrics_folder
from simulators.settings import ProviderSettings

settings = ProviderSettings.from_env_or_exit()
require_metrics_folder(settings.telemetry)
bound_lookups()

bind = f"{settings.bind_host}:{settings.port}"
workers = 1
worker_class = "simulators.buffering_worker.BufferingWorker"
threads = settings.threads
# The child shares the memory of what the main process imported; the ledger connects later.
preload_app = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
keepalive = 75
timeout = 120
graceful_timeout = 10
control_socket_disable = True
logconfig_dict = logging_config(settings.telemetry)

hooks = GunicornHooks(
    settings.telemetry,
    metrics_port=settings.metrics_port,
    metrics_host=settings.bind_host,
    trusted_hosts=settings.trusted_hosts,
)
when_ready = hooks.when_ready
pre_fork = share_before_fork
post_fork = hooks.post_fork
worker_exit = hooks.worker_exit
child_exit = hooks.child_exit
on_exit = hooks.on_exit
