"""The Flask app that the tests run under gunicorn."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import flask

from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.flask import instrument_app
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import Telemetry, start_telemetry

log = logging.getLogger("web_app")


def start() -> Telemetry:
    return start_telemetry(
        TelemetrySettings.from_env(),
        service_name="site",
        is_dropping=lambda: Path(os.environ.get("TEST_DROP_FILE", "/nonexistent")).exists(),
    )


def probes() -> list[DependencyProbes]:
    """Two dependencies, for the process that is scraped."""
    return [DependencyProbes({"quick": lambda: None, "slow": lambda: time.sleep(0.05)})]


def make() -> flask.Flask:
    telemetry = start()
    app = flask.Flask("site")

    @app.get("/orders/<order_id>")
    def read_order(order_id: str) -> dict[str, str]:
        with telemetry.tracer.start_as_current_span("look up"):
            log.info("looking up")
        return {"id": order_id}

    @app.get("/sleep/<float:seconds>")
    def sleep(seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("fails on purpose")

    @app.get("/pid")
    def pid() -> str:
        return str(os.getpid())

    @app.get("/livez")
    def livez() -> str:
        return "alive"

    instrument_app(app, telemetry)
    return app
