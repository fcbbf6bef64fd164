"""The gunicorn configuration that the tests use."""

import os

from observability.instrumentation.gunicorn import GunicornHooks
from observability.instrumentation.logs import logging_config
from observability.instrumentation.settings import TelemetrySettings
from tests.integration.instrumentation.web_app import probes, start

settings = TelemetrySettings.from_env()
hooks = GunicornHooks(
    settings,
    metrics_port=int(os.environ["TEST_METRICS_PORT"]),
    collectors=probes if os.environ.get("TEST_PROBES") else tuple,
    start=start if os.environ.get("TEST_MASTER_TELEMETRY") else None,
)
when_ready, post_fork, on_exit = hooks.when_ready, hooks.post_fork, hooks.on_exit
worker_exit, child_exit = hooks.worker_exit, hooks.child_exit
logconfig_dict = logging_config(settings)
worker_class, threads, graceful_timeout = "gthread", 4, 10
control_socket_disable = True
