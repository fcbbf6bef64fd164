"""Instrument a Flask app by one call, with everything else from the environment."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import flask.logging

from .._entry.ports import WEB_PORT
from .._entry.process import serve_metrics, start_process, tell_name
from .._entry.program import Program, current_program
from .._multiprocess.liveness import is_claimed
from ..settings import EntrySettings
from .middleware import PROBES, instrument_app, is_instrumented

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..telemetry import Telemetry

_logger = logging.getLogger(__name__)


def instrument_flask(
    app: flask.Flask,
    service_name: str,
    *,
    exclude: Sequence[str] = PROBES,
    success_codes: Mapping[str, Sequence[int]] | None = None,
) -> Telemetry:
    """Instrument an app: traces, metrics and JSON log lines; call this last in its factory.

    Under gunicorn the master serves `/metrics`, if it runs with this kit's configuration. Under
    `flask run` this process does, on OTEL_EXPORTER_PROMETHEUS_PORT or 9464; under any other server
    it does from the first request on. In a Celery worker this only starts telemetry, under the
    worker's name if `instrument_celery` gave one; other commands write log lines to standard error.

    Args:
        app: The app to instrument; a second call does nothing.
        service_name: Overridden by OTEL_SERVICE_NAME.
        exclude: Paths without spans, metrics and log lines: exactly these.
        success_codes: See `instrument_app`.

    Returns:
        The telemetry of this process.

    Raises:
        SettingsError: A variable has a bad value.
        ValueError: The process has been started under another name.
    """
    settings, program = EntrySettings.from_env(), current_program()
    telemetry = start_process(settings, service_name, program)
    # Flask's own handler would print each line of the app's logger a second time.
    logging.getLogger(app.name).removeHandler(flask.logging.default_handler)
    if program in {Program.CELERY, Program.COMMAND} or is_instrumented(app):
        return telemetry
    instrument_app(app, telemetry, exclude=exclude, success_codes=success_codes)
    serve = partial(serve_metrics, settings, telemetry, WEB_PORT)
    if program is Program.GUNICORN:
        _join_gunicorn(telemetry)
    elif program is Program.FLASK_RUN:
        serve()
    elif program is Program.OTHER:
        app.wsgi_app = _FirstRequest(app.wsgi_app, serve)  # type: ignore[method-assign]
    return telemetry


def _join_gunicorn(telemetry: Telemetry) -> None:
    folder = telemetry.settings.multiproc_dir
    if folder is not None and is_claimed(folder):
        tell_name(telemetry)
        return
    kit = __name__.removesuffix(".flask.entry")
    _logger.error(
        "gunicorn does not serve /metrics, and each of its workers counts for itself: "
        "start it with -c python:%s.gunicorn_conf",
        kit,
    )


def _is_test_client(environ: dict[str, Any]) -> bool:
    # Werkzeug's, and so Flask's; what a server sets differs from server to server.
    return str(environ.get("HTTP_USER_AGENT", "")).startswith("Werkzeug/")


class _FirstRequest:
    """A WSGI application that opens the metrics port with the first request of a real server.

    A script or a test that only creates the app opens no port, nor does the parent process of a
    reloader.
    """

    def __init__(self, inner: Callable[..., Iterable[bytes]], serve: Callable[[], None]) -> None:
        self._inner = inner
        self._serve: Callable[[], None] | None = serve

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve a request."""
        if self._serve is not None and not _is_test_client(environ):
            serve, self._serve = self._serve, None
            serve()
        return self._inner(environ, start_response)
