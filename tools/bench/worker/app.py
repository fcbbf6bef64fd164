"""The measured Celery app: one cached read, instrumented according to BENCH_VARIANT.

Each variant runs the same task and logs Celery's two lines per task. `bare` and `events` are Celery
and redis-py alone; `events` is started with `-E`.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import celery
import redis
from celery import signals

VARIANT = os.environ.get("BENCH_VARIANT", "bare")
KIT = ("lean", "sdk")
TASK = "bench.read_order"
QUEUE = f"bench-{VARIANT}"
PORT = int(os.environ["BENCH_REDIS_PORT"])

app = celery.Celery("bench", broker=f"redis://127.0.0.1:{PORT}/0")
app.conf.update(
    task_ignore_result=True,
    task_default_queue=QUEUE,
    task_routes={TASK: {"queue": QUEUE}},
    broker_connection_retry_on_startup=True,
)
cache = redis.Redis(port=PORT, db=1)


@app.task(name=TASK)
def read_order(order_id: str) -> None:
    if cache.get(f"order:{order_id}") is None:
        raise LookupError(order_id)


def with_kit() -> None:
    from observability.instrumentation.celery import instrument_celery

    instrument_celery(app, "bench")


def with_contrib() -> None:
    """Set up OpenTelemetry's libraries for all signals, as documented for Celery."""
    signals.worker_process_init.connect(start_contrib, weak=False)
    if VARIANT == "contrib":
        signals.setup_logging.connect(log_json, weak=False)


def log_json(**_: Any) -> None:
    from pythonjsonlogger.json import JsonFormatter

    console = logging.StreamHandler()
    console.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().handlers = [console]
    logging.getLogger().setLevel(logging.INFO)


def start_contrib(**_: Any) -> None:
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "bench"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    if VARIANT == "contrib":
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        metrics.set_meter_provider(MeterProvider([reader], resource=resource))
        export_logs(resource)
    CeleryInstrumentor().instrument()


def export_logs(resource: Any) -> None:
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(provider)
    logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))


if VARIANT in KIT:
    with_kit()
elif VARIANT.startswith("contrib"):
    with_contrib()
