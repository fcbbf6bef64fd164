"""The telemetry and the metrics port of a process that one call has instrumented."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import semconv
from .._multiprocess.liveness import is_claimed
from ..exposition import claim_directory, start_metrics_server
from ..logs import configure_console
from ..settings import SettingsError
from ..telemetry import start_telemetry
from .ports import PORT_VARIABLE
from .program import Program

if TYPE_CHECKING:
    from ..exposition import MetricsServer
    from ..settings import EntrySettings, TelemetrySettings
    from ..telemetry import Telemetry

_logger = logging.getLogger(__name__)
_NAME_FILE = "service.name"
_lock = threading.Lock()
_servers: list[MetricsServer] = []


def start_process(settings: EntrySettings, service_name: str, program: Program) -> Telemetry:
    """Configure the log lines of this process and start its telemetry."""
    own = settings.telemetry
    if program is Program.COMMAND:
        own = replace(own, log_stream="stderr")
    configure_console(own)
    return start_telemetry(own, service_name=service_name)


def tell_name(telemetry: Telemetry) -> None:
    """Leave the name of this service for the main process, which may not load the app."""
    folder = telemetry.settings.multiproc_dir
    if folder is not None and is_claimed(folder) and not (folder / _NAME_FILE).exists():
        (folder / _NAME_FILE).write_text(telemetry.service_name)


def known_name(settings: TelemetrySettings) -> str | None:
    """Return the name of this service, from the environment or as a child process left it."""
    if name := settings.resource.get(semconv.ATTR_SERVICE_NAME):
        return name
    with suppress(OSError):
        if settings.multiproc_dir is not None:
            return (settings.multiproc_dir / _NAME_FILE).read_text() or None
    return None


def serve_metrics(settings: EntrySettings, telemetry: Telemetry, default_port: int) -> None:
    """Serve the metrics from this process, once, unless its main process does.

    A port that is taken is logged as an error: an app is more important than its metrics.
    """
    folder = telemetry.settings.multiproc_dir
    with _lock:
        if _servers or (folder is not None and is_claimed(folder)):
            return
        port = default_port if settings.metrics_port is None else settings.metrics_port
        try:
            if folder is not None:
                claim_directory(telemetry.settings)
            server = start_metrics_server(
                telemetry.settings,
                port,
                own=telemetry.metrics.registry,
                host=settings.metrics_host,
                trusted_hosts=settings.trusted_hosts,
            )
        except (OSError, SettingsError) as error:
            text = "the metrics of this process are not served on port %d, set %s: %s"
            _logger.error(text, port, PORT_VARIABLE, error)  # noqa: TRY400 - no trace needed
            return
        _servers.append(server)
    _logger.info("metrics on port %d", server.port)


def stop_serving() -> None:
    """Free the metrics port of this process, for a role that serves them itself."""
    with _lock:
        while _servers:
            _servers.pop().close()
