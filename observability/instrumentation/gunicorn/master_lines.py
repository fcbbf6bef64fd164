"""The log lines of gunicorn's master, about workers that hung or were killed for example.

The master loads no app and so does not know the service's name, unless OTEL_SERVICE_NAME is set.
Each worker leaves the name of its app in the metrics folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .._entry.process import known_name
from .._multiprocess.forking import call_in_children
from ..logs import JsonHandler, WaitingLines
from ..telemetry import is_starting, running_telemetry, start_telemetry

if TYPE_CHECKING:
    from ..logs.log_line import Line
    from ..settings import TelemetrySettings


class MasterLines(WaitingLines):
    """The lines of the master; they are exported as soon as a line finds the name known."""

    def __init__(self, settings: TelemetrySettings) -> None:
        super().__init__()
        self._settings = settings
        self._pid = os.getpid()

    def written(self, line: Line) -> None:
        """Keep a line, and export all of them if the name is known.

        A line that is written while telemetry starts, a warning for example, only waits: the start
        takes it over, and a second one in the same thread would wait for the first.
        """
        super().written(line)
        if is_starting():
            return
        name = known_name(self._settings) if os.getpid() == self._pid else None
        if name is not None and JsonHandler.sink is self:
            start_telemetry(self._settings, service_name=name)


def keep_master_lines(settings: TelemetrySettings) -> None:
    """Export the lines of this process, the master, once its name is known.

    Not with gRPC, which must not be loaded before a fork:
    https://github.com/grpc/grpc/issues/15334
    """
    if settings.protocol != "grpc" and JsonHandler.sink is None:
        JsonHandler.sink = MasterLines(settings)


class NewWorkerLines:
    """The lines that a worker writes before `post_fork`, which wait for it.

    They must start no thread: gevent replaces threads and locks in the worker after its fork.
    """

    def __init__(self) -> None:
        self._master = os.getpid()
        call_in_children(self)

    def after_fork(self) -> None:
        """Keep lines from now on, in a worker; those of the master stay with the master."""
        sink = JsonHandler.sink
        if os.getppid() == self._master and sink is not None and type(sink) is not WaitingLines:
            JsonHandler.sink = WaitingLines()

    def release(self) -> None:
        """Pass the lines on, if telemetry was started in the master."""
        telemetry = running_telemetry()
        if telemetry is not None:
            telemetry.receive_lines()
