"""A complete gunicorn configuration: `gunicorn -c python:telemetry.gunicorn_conf shop:app`."""

from .gunicorn import *  # noqa: F403 - gunicorn reads its settings from this module
