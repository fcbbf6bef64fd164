"""Hold the app that gunicorn loads: `gunicorn -c python:service.gunicorn_conf service.wsgi:app`."""

from __future__ import annotations

from observability.instrumentation.settings import SettingsError
from service.app import create_app
from service.settings import Settings, exit_for

settings = Settings.from_env_or_exit()
# prometheus_client decides when it is imported; set later, each worker would count for itself.
if settings.telemetry.multiproc_dir is None:
    exit_for(SettingsError(["PROMETHEUS_MULTIPROC_DIR: expected a folder for this process alone"]))
app = create_app(settings)
