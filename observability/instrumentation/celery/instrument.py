"""Instrument Celery: one trace across the queue, and one span and one count per attempt.

The consumer's span is a child of the producer's, not linked to it: one message is one piece of
work, the wait between the two is what users wait for, and service graphs pair parent and child.
Each attempt is a span of its own with its number.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from celery import signals
from opentelemetry import context as context_api
from opentelemetry.trace import SpanKind, set_span_in_context

from .. import semconv
from ..exposition import ANY_HOST
from ..metrics import bounded
from ..propagation import TraceContext
from ..settings import TelemetrySettings
from ..spans import fail_span
from .attempts import AttemptRecorder, mark_retried
from .parent import WorkerParent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from celery import Celery

    from ..metrics import Collector
    from ..telemetry import Telemetry

__all__ = ["instrument_producer", "instrument_worker", "mark_retried"]

MESSAGING_SYSTEM = "celery"
# Signals keep weak references; whoever is connected lives here.
_workers: list[WorkerParent] = []


def instrument_producer(app: Celery, telemetry: Telemetry) -> None:
    """Give every message that this app sends a PRODUCER span and our headers.

    Around the one function through which `delay`, `apply_async`, `send_task` and retries publish:
    a broker that is away is then an exception inside the span.

    Args:
        app: To be instrumented, once.
        telemetry: Of this process.
    """
    publish = app.amqp.send_task_message
    if getattr(publish, "is_instrumented", False):
        return

    @functools.wraps(publish)
    def send_task_message(producer: Any, name: str, message: Any, **options: Any) -> Any:
        queue = bounded(_queue_name(app, options), app.amqp.queues)
        span = telemetry.tracer.start_span(
            f"send {queue}",
            kind=SpanKind.PRODUCER,
            attributes=_attributes(queue, name, str(message.headers.get("id", ""))),
        )
        token = context_api.attach(set_span_in_context(span))
        try:
            options["headers"] = {**(options.get("headers") or {}), **_headers()}
            return publish(producer, name, message, **options)
        except Exception as error:
            fail_span(span, error)
            raise
        finally:
            context_api.detach(token)
            span.end()

    send_task_message.is_instrumented = True  # type: ignore[attr-defined]
    app.amqp.send_task_message = send_task_message


def _queue_name(app: Celery, options: Mapping[str, Any]) -> str:
    queue = options.get("queue")
    if queue is None and not options.get("exchange"):
        queue = app.amqp.default_queue
    return str(getattr(queue, "name", queue or options.get("routing_key") or ""))


def _attributes(queue: str, task: str, message_id: str) -> dict[str, Any]:
    return {
        semconv.ATTR_MESSAGING_SYSTEM: MESSAGING_SYSTEM,
        semconv.ATTR_MESSAGING_OPERATION_NAME: "send",
        semconv.ATTR_MESSAGING_OPERATION_TYPE: "send",
        semconv.ATTR_MESSAGING_DESTINATION: queue,
        semconv.ATTR_MESSAGING_MESSAGE_ID: message_id,
        semconv.ATTR_CELERY_TASK_NAME: task,
    }


def _headers() -> dict[str, Any]:
    """Return our headers; a retry carries the old message's, which these replace."""
    context = TraceContext.current()
    return {
        semconv.HEADER_TRACEPARENT: context.traceparent,
        semconv.HEADER_TRACESTATE: context.tracestate,
        semconv.HEADER_ENQUEUED_AT: time.time(),
    }


def instrument_worker(
    app: Celery,
    *,
    start: Callable[[], Telemetry],
    task_queues: Mapping[str, str],
    metrics_port: int | None,
    metrics_host: str = ANY_HOST,
    settings: TelemetrySettings | None = None,
    collectors: Callable[[], Iterable[Collector]] = tuple,
    error_types: Sequence[str] = (),
    on_process_start: Callable[[Telemetry], None] | None = None,
) -> None:
    """Instrument a worker; this only connects signals, so that importing it does nothing.

    Args:
        app: Whose `celery worker` this is about.
        start: Calls `start_telemetry`; first in the parent, and again, harmlessly, in children.
        task_queues: The tasks that run here and their queues; their series exist at 0.
        metrics_port: Where the parent serves `/metrics`; None for nowhere, 0 for any. Where it
            cannot, the worker ends with exit code 2.
        metrics_host: Address that it listens on there.
        settings: Of telemetry; read from the environment unless given.
        collectors: Called in the parent; read at each scrape.
        error_types: Names of the exception classes that tasks raise; others come to count as
            their own only while they are few.
        on_process_start: Called in each process that runs tasks, after telemetry started: the
            place to open pools.
    """
    recorder = AttemptRecorder(start, task_queues, error_types)
    parent = WorkerParent(
        instrument=functools.partial(instrument_producer, app),
        start=start,
        settings=settings or TelemetrySettings.from_env,
        recorder=recorder,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        collectors=collectors,
        on_process_start=on_process_start,
    )
    _workers.append(parent)
    signals.celeryd_init.connect(parent.on_program_start)
    signals.worker_init.connect(parent.on_init)
    signals.setup_logging.connect(parent.on_setup_logging)
    signals.worker_process_init.connect(parent.on_child_start)
    signals.worker_process_shutdown.connect(parent.on_child_stop)
    signals.worker_ready.connect(parent.on_ready)
    signals.worker_shutdown.connect(parent.on_stop)
    signals.task_prerun.connect(recorder.on_start)
    signals.task_postrun.connect(recorder.on_end)
    signals.task_failure.connect(recorder.on_lost)
