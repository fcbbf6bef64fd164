"""Build the Celery application of the worker: the one place where its parts are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery, signals

from observability.instrumentation.celery import instrument_worker
from service.memory import share_memory
from service.semconv import ORDERS_WORKER, TASK_QUEUES
from worker import progress
from worker.broker import configure
from worker.errors import ERROR_TYPES
from worker.process import Process
from worker.tasks.registry import register_tasks

if TYPE_CHECKING:
    from worker.settings import WorkerSettings

SOFT_SECONDS = 15
HARD_SECONDS = 20


def configure_worker(app: Celery, settings: WorkerSettings) -> None:
    """Configure how a worker receives and acknowledges messages."""
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure_or_timeout=False,
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.worker_concurrency,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_soft_time_limit=SOFT_SECONDS,
        task_time_limit=HARD_SECONDS,
    )


def create_celery(settings: WorkerSettings) -> Celery:
    """Build and wire the worker; nothing is started before Celery forks."""
    app = Celery(ORDERS_WORKER, set_as_current=False)
    configure(app, settings)
    configure_worker(app, settings)
    process = Process(settings)
    register_tasks(app, process.handler)
    if settings.telemetry.multiproc_dir:
        progress.watch(app, process.progress, settings.telemetry.multiproc_dir)
    signals.worker_before_create_process.connect(share_memory)
    instrument_worker(
        app,
        start=process.start_telemetry,
        task_queues=TASK_QUEUES,
        settings=settings.telemetry,
        metrics_port=settings.worker_metrics_port,
        metrics_host=settings.bind_host,
        trusted_hosts=settings.trusted_hosts,
        collectors=process.collectors,
        error_types=ERROR_TYPES,
        on_process_start=process.open,
    )
    return app
