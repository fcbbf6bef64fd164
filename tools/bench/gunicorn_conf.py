"""The gunicorn configuration: one worker, four threads, and the kit's hooks in its variants."""

import os

bind = f"127.0.0.1:{os.environ['BENCH_PORT']}"
workers, threads, worker_class, keepalive = 1, 4, "gthread", 60
control_socket_disable = True
if os.environ["BENCH_VARIANT"] not in ("bare", "contrib", "auto"):
    from observability.instrumentation.gunicorn import GunicornHooks
    from observability.instrumentation.logs import logging_config
    from observability.instrumentation.settings import TelemetrySettings

    settings = TelemetrySettings.from_env()
    hooks = GunicornHooks(settings, metrics_port=0)
    when_ready, post_fork = hooks.when_ready, hooks.post_fork
    worker_exit, child_exit, on_exit = hooks.worker_exit, hooks.child_exit, hooks.on_exit
    logconfig_dict = logging_config(settings)
