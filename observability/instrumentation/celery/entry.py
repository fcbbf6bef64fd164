"""Instrument a Celery app by one call, with everything else from the environment."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from .. import semconv
from .._entry.ports import WORKER_PORT
from ..settings import EntrySettings
from ..telemetry import start_provisionally, start_telemetry
from .declared_queues import queue_collector
from .producer import instrument_producer
from .routes import RoutedTasks
from .worker import connect_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from celery import Celery

    from ..metrics import Collector
    from ..telemetry import Telemetry

_SERVICE_NAME = "telemetry_service_name"
_first_send = threading.Lock()


def instrument_celery(
    app: Celery,
    service_name: str,
    *,
    queues: Sequence[str] = (),
    collectors: Callable[[], Iterable[Collector]] = tuple,
    error_types: Sequence[str] = (),
    on_process_start: Callable[[Telemetry], None] | None = None,
) -> None:
    """Instrument an app wherever it is imported; this has no effect until it is used.

    A worker has traces, metrics and JSON log lines under this name, and serves `/metrics` on
    OTEL_EXPORTER_PROMETHEUS_PORT or 9465; if it cannot, it exits with code 2. Whatever sends a task
    makes a PRODUCER span: a web app, beat, a worker with embedded beat, or a script. Telemetry of a
    process that has none yet starts under this name, with the first task that it sends; the name
    of a web app that is created later replaces it.

    Args:
        app: The app to instrument; a second call does nothing.
        service_name: Overridden by OTEL_SERVICE_NAME.
        queues: Show the depth of these queues; in one worker only, whose scrapes ask the broker.
            Redis also tells what is unacknowledged or due later, and the age of the oldest message.
        collectors: Called in a worker's main process; what it returns is read at each scrape.
        error_types: Class names of the exceptions that tasks raise; their series exist at 0.
        on_process_start: See `instrument_worker`.

    Raises:
        SettingsError: A variable has a bad value.
    """
    if getattr(app, _SERVICE_NAME, None) is not None:
        return
    settings = EntrySettings.from_env()
    named = settings.telemetry.resource.get(semconv.ATTR_SERVICE_NAME, service_name)
    setattr(app, _SERVICE_NAME, named)
    start = functools.partial(_start, service_name)
    connect_worker(
        app,
        start=start,
        task_queues=RoutedTasks(app),
        metrics_port=WORKER_PORT if settings.metrics_port is None else settings.metrics_port,
        metrics_host=settings.metrics_host,
        trusted_hosts=settings.trusted_hosts,
        collectors=lambda: [
            *([queue_collector(app, queues)] if queues else []),
            *collectors(),
        ],
        error_types=error_types,
        on_process_start=on_process_start,
        makes_folder=True,
        known_queues=lambda: app.amqp.queues,
    )
    _instrument_first_send(app, start)


def _start(service_name: str) -> Telemetry:
    # Read again: a worker sets the metrics folder.
    return start_telemetry(EntrySettings.from_env().telemetry, service_name=service_name)


def _instrument_first_send(app: Celery, start: Callable[[], Telemetry]) -> None:
    """Instrument the producer when the first task is sent, and not before.

    Preparing it reads the app's configuration, which may not be complete yet.
    """
    send = app.send_task

    @functools.wraps(send)
    def send_task(*args: Any, **options: Any) -> Any:
        with _first_send:
            instrument_producer(app, start_provisionally(start))
            app.send_task = send
        return send(*args, **options)

    app.send_task = send_task
