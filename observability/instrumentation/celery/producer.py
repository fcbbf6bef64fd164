"""Instrument a producer: a PRODUCER span for each message, and its trace context in the headers.

The consumer's span is a child of the producer's and not linked to it: one message is one piece of
work, users wait for the time between the two, and service graphs pair parent and child. The other
view: https://github.com/open-telemetry/opentelemetry-python-contrib/issues/3002
"""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry.trace import SpanKind, set_span_in_context

from .. import semconv
from ..metrics import bounded
from ..propagation import TraceContext
from ..spans import fail_span
from .attributes import message_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery

    from ..telemetry import Telemetry


def instrument_producer(app: Celery, telemetry: Telemetry) -> None:
    """Give each message that this app sends a PRODUCER span and the headers of this kit.

    Where contrib's CeleryInstrumentor is in use, as with `opentelemetry-instrument`, its span is
    the only one.

    Args:
        app: The app to instrument; a second call does nothing.
        telemetry: The telemetry of this process.
    """
    publish = app.amqp.send_task_message
    if getattr(publish, "is_instrumented", False):
        return

    @functools.wraps(publish)
    def send_task_message(producer: Any, name: str, message: Any, **options: Any) -> Any:
        if is_traced_by_contrib():
            sent = {semconv.HEADER_ENQUEUED_AT: time.time()}
            options["headers"] = {**(options.get("headers") or {}), **sent}
            return publish(producer, name, message, **options)
        queue = bounded(_queue_name(app, options), app.amqp.queues)
        message_id = str(message.headers.get("id", ""))
        span = telemetry.tracer.start_span(
            f"send {queue}",
            kind=SpanKind.PRODUCER,
            attributes=message_attributes("send", queue, name, message_id),
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

    # `delay`, `apply_async`, `send_task` and retries all publish through this function. Celery has
    # no signal for a message that could not be sent: https://github.com/celery/celery/issues/3241
    send_task_message.is_instrumented = True  # type: ignore[attr-defined]
    app.amqp.send_task_message = send_task_message


def is_traced_by_contrib() -> bool:
    """Return whether contrib's instrumentor makes the spans of messages."""
    module = sys.modules.get("opentelemetry.instrumentation.celery")
    return module is not None and module.CeleryInstrumentor().is_instrumented_by_opentelemetry


def _queue_name(app: Celery, options: Mapping[str, Any]) -> str:
    queue = options.get("queue")
    if queue is None and not options.get("exchange"):
        queue = app.amqp.default_queue
    return str(getattr(queue, "name", queue or options.get("routing_key") or ""))


def _headers() -> dict[str, Any]:
    """Return the kit's headers; in a retry they replace those of the old message."""
    context = TraceContext.current()
    return {
        semconv.HEADER_TRACEPARENT: context.traceparent,
        semconv.HEADER_TRACESTATE: context.tracestate,
        semconv.HEADER_ENQUEUED_AT: time.time(),
    }
