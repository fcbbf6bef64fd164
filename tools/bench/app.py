"""The measured app: one cached read, instrumented according to BENCH_VARIANT.

Each variant gives the same answer. `bare` is Flask and redis-py alone, without an access line. It
also runs on the kit of older commits, so it imports only names that they have.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import flask
import redis

VARIANT = os.environ.get("BENCH_VARIANT", "bare")
SDK = ("sdk", "sdk-own-middleware", "sdk-own-exporter")
LOGS = ("logs", "all", "all-10%", *SDK, "contrib", "auto")


def make_app() -> tuple[flask.Flask, redis.Redis]:
    app = flask.Flask("bench")
    cache = redis.Redis(port=int(os.environ["BENCH_REDIS_PORT"]))

    @app.get("/orders/<order_id>")
    def read_order(order_id: str) -> flask.Response:
        found = cache.get(f"order:{order_id}")
        if found is None:
            flask.abort(404)
        return flask.Response(found, mimetype="application/json")

    return app, cache


class NoMetrics:
    """Instruments that do nothing, to measure the other signals alone."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self


def with_kit(app: flask.Flask, cache: redis.Redis) -> None:
    from observability.instrumentation import logs
    from observability.instrumentation.flask import instrument_app
    from observability.instrumentation.redis import CacheInstruments, instrument_redis
    from observability.instrumentation.settings import TelemetrySettings
    from observability.instrumentation.telemetry import start_telemetry

    telemetry = start_telemetry(TelemetrySettings.from_env(), service_name="bench")
    if VARIANT not in LOGS:
        logging.getLogger("access").setLevel(logging.CRITICAL)
    if VARIANT in ("traces", "logs"):
        telemetry.metrics = NoMetrics()
        logs.JsonHandler.sink = telemetry if VARIANT == "logs" else None
    else:
        count_lookups(app, CacheInstruments(telemetry, "orders"))
    if VARIANT == "sdk-own-exporter":
        export_by_own(telemetry)
    if VARIANT == "sdk-own-middleware":
        # Only Flask's instrumentation asks for the engine from here on.
        telemetry.settings = replace(telemetry.settings, engine="lean")
    instrument_app(app, telemetry)
    if VARIANT != "metrics":
        instrument_redis(cache, telemetry)


def export_by_own(telemetry: Any) -> None:
    """Export the SDK's spans, and the log lines, by the exporting thread of the engine `lean`."""
    from observability.instrumentation.telemetry import Telemetry

    own = Telemetry(replace(telemetry.settings, engine="lean"), {"service.name": "bench"}).engine

    def queue(span: Any) -> None:
        span.tracer = SimpleNamespace(scope=span.instrumentation_scope, encoded_scope=None)
        own._queue(span)

    telemetry.engine._sink, telemetry.engine.put_line = queue, own.put_line


def count_lookups(app: flask.Flask, instruments: Any) -> None:
    """Count as a cache-aside read does: one result, one time."""
    view = app.view_functions["read_order"]

    def counted(**arguments: Any) -> Any:
        with instruments.timed():
            answer = view(**arguments)
        instruments.hit()
        return answer

    app.view_functions["read_order"] = counted


def with_contrib(app: flask.Flask) -> None:
    """Set up the contrib libraries for all signals, as documented."""
    from opentelemetry import trace
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from prometheus_client import Counter, Histogram
    from prometheus_flask_exporter.multiprocess import GunicornPrometheusMetrics
    from pythonjsonlogger.json import JsonFormatter

    resource = Resource.create({"service.name": "bench"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    logger_provider = LoggerProvider(resource=resource)
    logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logger_provider)
    console = logging.StreamHandler()
    console.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().handlers = [console, LoggingHandler(logger_provider=logger_provider)]
    logging.getLogger().setLevel(logging.INFO)
    GunicornPrometheusMetrics(app, group_by="url_rule")
    FlaskInstrumentor().instrument_app(app)
    RedisInstrumentor().instrument()
    log_requests(app)
    results = Counter("cache_requests_total", "Lookups.", ["cache", "result"])
    seconds = Histogram("cache_request_duration_seconds", "Time.", ["cache"])

    class Instruments:
        def timed(self) -> Any:
            return seconds.labels("orders").time()

        def hit(self) -> None:
            results.labels("orders", "hit").inc()

    count_lookups(app, Instruments())


def log_requests(app: flask.Flask) -> None:
    log = logging.getLogger("access")

    @app.after_request
    def log_request(response: flask.Response) -> flask.Response:
        from opentelemetry.trace import get_current_span

        request = flask.request
        context = get_current_span().get_span_context()
        log.info(
            "%s %s %d",
            request.method,
            request.path,
            response.status_code,
            extra={
                "http.request.method": request.method,
                "http.route": str(request.url_rule),
                "http.response.status_code": response.status_code,
                "trace_id": f"{context.trace_id:032x}",
                "span_id": f"{context.span_id:016x}",
            },
        )
        return response


def create_app() -> flask.Flask:
    app, cache = make_app()
    if VARIANT == "contrib":
        with_contrib(app)
    elif VARIANT == "auto":
        log_requests(app)
        logging.getLogger().setLevel(logging.INFO)
    elif VARIANT != "bare":
        with_kit(app, cache)
    return app
