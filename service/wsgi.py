"""The app that gunicorn loads: `gunicorn -c python:service.gunicorn_conf service.wsgi:app`."""

from __future__ import annotations

from service.app import create_app
from service.settings import Settings, require_metrics_folder

settings = Settings.from_env_or_exit()
require_metrics_folder(settings.telemetry)
app = create_app(settings)
