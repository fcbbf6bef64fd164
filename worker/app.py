"""Build the Celery application: the second door into the orders, beside the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billiard.util import get_logger
from celery import Celery
from kombu.entity import Queue

from observability.instrumentation.celery import instrument_worker
from service.semconv import ORDERS_WORKER, QUEUES, TASK_QUEUES
from worker import progress
from worker.broker import PRIORITY_STEPS, SOCKET_SECONDS, broker_url
from worker.errors import ERROR_TYPES
from worker.process import Process
from worker.tasks import register_tasks

if TYPE_CHECKING:
    from service.settings import Settings

SOFT_SECONDS = 15
HARD_SECONDS = 20
# Longer than a reserved message may wait for its child and then run: twice the hard limit.
VISIBILITY_SECONDS = 45


def configure(app: Celery, settings: Settings) -> None:
    """Set what producer and worker agree on."""
    app.conf.update(
        broker_url=broker_url(settings),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "priority_steps": list(PRIORITY_STEPS),
            "queue_order_strategy": "round_robin",
            "socket_timeout": SOCKET_SECONDS,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        task_queues=[Queue(name) for name in QUEUES],  # type: ignore[no-untyped-call]
        task_default_queue=QUEUES[0],
        task_create_missing_queues=False,
        task_routes={task: {"queue": queue} for task, queue in TASK_QUEUES.items()},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
    )


def configure_worker(app: Celery, settings: Settings) -> None:
    """Set how a worker takes and keeps messages."""
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


def create_celery(settings: Settings) -> Celery:
    """Build and wire the worker; nothing is started before Celery forks."""
    app = Celery(ORDERS_WORKER, set_as_current=False)
    configure(app, settings)
    configure_worker(app, settings)
    process = Process(settings)
    register_tasks(app, lambda: process)
    if settings.telemetry.multiproc_dir:
        progress.watch(app, process.progress, settings.telemetry.multiproc_dir)
    # The pool's logger has no handler and passes nothing on: its lines would not be JSON.
    get_logger().propagate = True
    instrument_worker(
        app,
        start=process.start_telemetry,
        task_queues=TASK_QUEUES,
        settings=settings.telemetry,
        metrics_port=settings.worker_metrics_port,
        collectors=process.collectors,
        error_types=ERROR_TYPES,
        on_process_start=process.open,
    )
    return app
