"""Write every log line as one JSON object on standard output, with the ids of its trace.

The same handler serves the root logger, gunicorn and Celery. It writes with one system call, and
hands the line to the OTLP pipeline once `start_telemetry` has run in this process.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from .line_writer import LineWriter
from .log_line import SEVERITIES, STANDARD_FIELDS, JsonFormatter, Line, as_line, current_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..settings import TelemetrySettings

_writers: WeakSet[LineWriter] = WeakSet()
# Libraries that complain about exports, once a minute and message at most.
_NOISY = ("opentelemetry", "urllib3", "grpc")
_QUIET_SECONDS = 60.0


def log_extra(**values: Any) -> dict[str, Any]:
    """Return an `extra` for a log call; names that logging forbids get an underscore.

    The standard library refuses `message`, `name`, `args` and the like with a KeyError.
    """
    return {f"{key}_" if key in STANDARD_FIELDS else key: value for key, value in values.items()}


class LineSink(Protocol):
    """Where written lines go besides standard output."""

    def written(self, line: Line) -> None:
        """Count a line, and queue it for the OTLP receiver."""


class JsonHandler(logging.Handler):
    """Write lines to a file descriptor, and hand them to the sink of this process.

    Args:
        descriptor: Where lines go; standard output.
        clock: Seconds, for quieting libraries that complain about exports.
    """

    sink: LineSink | None = None

    def __init__(
        self, descriptor: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._writer = LineWriter(sys.stdout.fileno() if descriptor is None else descriptor)
        _writers.add(self._writer)
        self._clock = clock
        self._quiet_until: dict[tuple[str, str], float] = {}
        self.formatter: JsonFormatter = JsonFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a line that cannot be written is reported the standard way."""
        try:
            if record.name.startswith(_NOISY) and self._is_repeated(record):
                return
            self.write(as_line(record))
        except Exception:  # noqa: BLE001 - what logging.Handler prescribes
            self.handleError(record)

    def write(self, line: Line) -> None:
        """Write a line at once, and hand it on."""
        self._writer.now(self.formatter.line(line))
        if JsonHandler.sink is not None:
            JsonHandler.sink.written(line)

    def write_soon(self, line: Line) -> None:
        """Write a line with others, if there is somebody to flush them, and hand it on."""
        sink = JsonHandler.sink
        if sink is None:
            self._writer.now(self.formatter.line(line))
        else:
            self._writer.soon(self.formatter.line(line))
            sink.written(line)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """Accept only our formatter: dictConfig sets one where a formatter is named."""
        if isinstance(fmt, JsonFormatter):
            self.formatter = fmt

    def _is_repeated(self, record: logging.LogRecord) -> bool:
        key, now = (record.name, str(record.msg)[:200]), self._clock()
        if now < self._quiet_until.get(key, 0.0):
            return True
        if len(self._quiet_until) > 200:
            self._quiet_until.clear()
        self._quiet_until[key] = now + _QUIET_SECONDS
        return False


def say(message: str, *_: Any) -> None:
    """Write a line from a signal handler: straight to standard output, past all locks."""
    line = Line("signal", time.time(), SEVERITIES[logging.INFO], message.strip(), None, {})
    os.write(1, JsonFormatter().line(line))


def write_line(logger: logging.Logger, level: int, body: str, attributes: dict[str, Any]) -> None:
    """Write a line of the kit's own that every request has, as cheaply as may be.

    Where our handler is the only one, there is no need of a record: making it, and looking up file
    and line, costs as much as all the rest of the line.
    """
    if not logger.isEnabledFor(level):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and type(handlers[0]) is JsonHandler and not logger.handlers:
        line = Line(logger.name, time.time(), SEVERITIES[level], body, current_ids(), attributes)
        handlers[0].write_soon(line)
        return
    record = logging.LogRecord(logger.name, level, "", 0, body, None, None)
    record.__dict__.update(attributes)
    logger.handle(record)


def flush_lines() -> None:
    """Write the lines that wait."""
    for writer in list(_writers):
        writer.flush()


def logging_config(settings: TelemetrySettings) -> dict[str, Any]:
    """Return a `logging.config.dictConfig` for this process; gunicorn takes it as it is."""
    handler = {"console": {"()": JsonHandler}, "error_console": {"()": JsonHandler}}
    passed_on = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"generic": {"()": JsonFormatter}},
        "handlers": handler,
        "root": {"level": settings.log_level, "handlers": ["console"]},
        # gunicorn's defaults give its two loggers a handler of their own: each line came twice.
        "loggers": {
            "gunicorn.error": {"level": settings.log_level, **passed_on},
            "gunicorn.access": {"level": "WARNING", **passed_on},
            "urllib3": {"level": "WARNING"},
        },
    }


def configure_logging(settings: TelemetrySettings) -> None:
    """Make this process write JSON lines, warnings and uncaught exceptions included."""
    from logging.config import dictConfig  # noqa: PLC0415 - a third of this module's import time

    dictConfig(logging_config(settings))
    capture_strays()


def capture_strays() -> None:
    """Make warnings, and exceptions that nobody caught, log lines like all others."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("uncaught").critical("uncaught exception", exc_info=(kind, error, trace))
