"""The handler that writes each log line as a JSON object on standard output.

The root logger, gunicorn and Celery share it. It writes with one system call, and passes the line
to the OTLP pipeline once `start_telemetry` has run in this process.
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
    from pathlib import Path
    from typing import BinaryIO

    from ..settings import TelemetrySettings

_writers: WeakSet[LineWriter] = WeakSet()
# The hook for uncaught exceptions that this process had before.
_hooks_before: list[Callable[[type[BaseException], BaseException, Any], object]] = []
_STREAMS = {"stdout": 1, "stderr": 2}
# Libraries that log failed exports; each of their messages is written once a minute.
_NOISY = ("opentelemetry", "urllib3", "grpc")
_QUIET_SECONDS = 60.0


def log_extra(**values: Any) -> dict[str, Any]:
    """Return an `extra` for a log call; names that logging reserves get an underscore.

    The standard library raises KeyError for `message`, `name`, `args` and others.
    """
    return {f"{key}_" if key in STANDARD_FIELDS else key: value for key, value in values.items()}


class LineSink(Protocol):
    """The destination of written lines beyond standard output."""

    def written(self, line: Line) -> None:
        """Count a line, and queue it for the OTLP receiver."""


class JsonHandler(logging.Handler):
    """A handler that writes to a file descriptor and to the sink of this process.

    Args:
        descriptor: The file descriptor; that of `stream` by default.
        clock: Seconds, for the limit on libraries that log failed exports.
        stream: `stdout` or `stderr`.
    """

    sink: LineSink | None = None
    stream: BinaryIO

    def __init__(
        self,
        descriptor: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        stream: str = "stdout",
    ) -> None:
        super().__init__()
        self.descriptor = _descriptor_of(stream) if descriptor is None else descriptor
        self._writer = LineWriter(self.descriptor)
        _writers.add(self._writer)
        self._clock = clock
        self._quiet_until: dict[tuple[str, str], float] = {}
        self.formatter: JsonFormatter = JsonFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; errors are handled as in any `logging.Handler`."""
        try:
            if record.name.startswith(_NOISY) and self._is_repeated(record):
                return
            self.write(as_line(record))
        except Exception:  # noqa: BLE001 - what logging.Handler prescribes
            self.handleError(record)

    def write(self, line: Line) -> None:
        """Write a line at once and pass it to the sink."""
        self._writer.now(self.formatter.line(line))
        if JsonHandler.sink is not None:
            JsonHandler.sink.written(line)

    def write_soon(self, line: Line) -> None:
        """Write a line together with others, if a sink will flush them, and pass it on."""
        sink = JsonHandler.sink
        if sink is None:
            self._writer.now(self.formatter.line(line))
        else:
            self._writer.soon(self.formatter.line(line))
            sink.written(line)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """Set a formatter of this kit; ignore others, which dictConfig would set."""
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


def _descriptor_of(stream: str) -> int:
    try:
        found = getattr(sys, stream).fileno()
    except (AttributeError, OSError, ValueError):
        # Replaced by an object without a file: io.UnsupportedOperation is an OSError.
        found = None
    return found if isinstance(found, int) else _STREAMS[stream]


def log_from_signal_handler(message: str, *_: Any) -> None:
    """Write a line from a signal handler: directly to the log's stream, without any lock."""
    line = Line("signal", time.time(), SEVERITIES[logging.INFO], message.strip(), None, {})
    ours = [one.descriptor for one in logging.root.handlers if isinstance(one, JsonHandler)]
    os.write(ours[0] if ours else 1, JsonFormatter().line(line))


def write_line(logger: logging.Logger, level: int, body: str, attributes: dict[str, Any]) -> None:
    """Write a request's line as cheaply as possible.

    Where the kit's handler is the only one, no `LogRecord` is made: that, with the lookup of file
    and line number, costs as much as the rest of the line.
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
    """Write the lines that are waiting."""
    for writer in list(_writers):
        writer.flush()


def logging_config(settings: TelemetrySettings) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`, or gunicorn's logconfig_dict."""
    console = {"()": JsonHandler, "stream": settings.log_stream}
    handler = {"console": console, "error_console": console}
    passed_on = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"generic": {"()": JsonFormatter}},
        "handlers": handler,
        "root": {"level": settings.log_level, "handlers": ["console"]},
        # gunicorn's defaults give its two loggers handlers of their own, which doubles each line.
        # https://github.com/benoitc/gunicorn/issues/2496
        "loggers": {
            "gunicorn.error": {"level": settings.log_level, **passed_on},
            "gunicorn.access": {"level": "WARNING", **passed_on},
            "urllib3": {"level": "WARNING"},
        },
    }


def configure_logging(settings: TelemetrySettings) -> None:
    """Configure this process to log JSON lines, warnings and uncaught exceptions included."""
    from logging.config import dictConfig  # noqa: PLC0415 - a third of this module's import time

    dictConfig(logging_config(settings))
    capture_warnings_and_errors()


def log_to_file(path: Path) -> None:
    """Write the lines of this process to the end of a file in place of its console."""
    root, file = logging.root, path.open("ab", buffering=0)
    for handler in list(root.handlers):
        if isinstance(handler, JsonHandler):
            root.removeHandler(handler)
    own = JsonHandler(file.fileno())
    # Under this name Celery finds the file, where it closes all others.
    own.stream = file
    root.addHandler(own)


def configure_console(settings: TelemetrySettings) -> None:
    """Configure this process to log JSON lines in place of lines on its console.

    Handlers that write elsewhere, to a file or to another service, stay.
    """
    root, console = logging.root, JsonHandler(stream=settings.log_stream)
    for handler in list(root.handlers):
        if isinstance(handler, JsonHandler) or writes_to_console(handler):
            root.removeHandler(handler)
    root.addHandler(console)
    root.setLevel(settings.log_level)
    capture_warnings_and_errors()


def writes_to_console(handler: logging.Handler) -> bool:
    """Return whether a handler of the standard library writes to this process's console."""
    consoles = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return type(handler) is logging.StreamHandler and handler.stream in consoles


def capture_warnings_and_errors() -> None:
    """Log warnings and uncaught exceptions, which Python prints to standard error."""
    logging.captureWarnings(capture=True)
    # Once: a hook that was set later may call this one.
    if not _hooks_before:
        _hooks_before.append(sys.excepthook)
        sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    (before,) = _hooks_before
    is_interrupt = issubclass(kind, KeyboardInterrupt)
    if not is_interrupt:
        logging.getLogger("uncaught").critical("uncaught exception", exc_info=(kind, error, trace))
    # Python's own prints what the log has now; others, such as error trackers, report it.
    if is_interrupt or before is not sys.__excepthook__:
        before(kind, error, trace)
