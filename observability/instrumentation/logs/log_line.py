"""Turn a log record into a line: one JSON object with the ids of its trace."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from pythonjsonlogger.orjson import OrjsonFormatter

from .. import semconv
from .._tracing.recorded_span import current_span

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

_MAX_STACK = 6000
_MAX_BODY = 8192

STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_STANDARD_COUNT = len(vars(logging.makeLogRecord({})))
_OURS = frozenset(
    {
        semconv.LOG_TIMESTAMP,
        semconv.LOG_SEVERITY,
        semconv.LOG_BODY,
        semconv.LOG_LOGGER,
        semconv.LOG_TRACE_ID,
        semconv.LOG_SPAN_ID,
        semconv.LOG_TRACE_FLAGS,
    }
)
_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE

# Source: OpenTelemetry log data model, severity numbers.
SEVERITIES = {
    logging.DEBUG: (5, "DEBUG"),
    logging.INFO: (9, "INFO"),
    logging.WARNING: (13, "WARNING"),
    logging.ERROR: (17, "ERROR"),
    logging.CRITICAL: (21, "CRITICAL"),
}


def severity(record: logging.LogRecord) -> tuple[int, str]:
    """Return the number and name of a record's severity."""
    known = SEVERITIES.get(record.levelno)
    return known or (max(1, min(24, record.levelno // 10 * 4 + 1)), record.levelname)


def current_ids() -> SpanContext | None:
    """Return the ids of the current span, if there is one."""
    context = current_span().get_span_context()
    return context if context[0] else None


def attributes_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the extras of a log call and its exception, as attributes."""
    values = record.__dict__
    found: dict[str, Any] = {}
    if len(values) > _STANDARD_COUNT:
        # Extras come after the fields that every record has.
        for key, value in islice(values.items(), _STANDARD_COUNT, None):
            # Celery puts a task's arguments there: bytes, and data that must stay out of logs.
            # https://github.com/madzak/python-json-logger/issues/167
            if key not in STANDARD_FIELDS and not (
                key == "data" and record.name.startswith("celery.")
            ):
                found[f"{key}_" if key in _OURS else key] = value
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        found[semconv.ATTR_EXCEPTION_TYPE] = type(error).__name__
        found[semconv.ATTR_EXCEPTION_MESSAGE] = str(error)[:1000]
        stack = logging.Formatter().formatException(record.exc_info)
        found[semconv.ATTR_EXCEPTION_STACKTRACE] = stack[-_MAX_STACK:]
    return found


class JsonFormatter(OrjsonFormatter):
    """python-json-logger's formatter, with the fields of OpenTelemetry's log data model.

    It builds the fields itself: the general code of the library takes four times as long.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line, for any handler."""
        return self.line(as_line(record)).decode()[:-1]

    def line(self, line: Line) -> bytes:
        """Return a line as UTF-8, with a line feed at its end."""
        fields: dict[str, Any] = {
            semconv.LOG_TIMESTAMP: datetime.fromtimestamp(line.time, UTC),
            semconv.LOG_SEVERITY: line.severity[1],
            semconv.LOG_BODY: line.body,
            semconv.LOG_LOGGER: line.logger,
        }
        span = line.span
        if span is not None:
            trace_id, span_id, _, flags, _, _ = span
            fields[semconv.LOG_TRACE_ID] = f"{trace_id:032x}"
            fields[semconv.LOG_SPAN_ID] = f"{span_id:016x}"
            fields[semconv.LOG_TRACE_FLAGS] = flags & 1
        fields.update(line.attributes)
        try:
            return orjson.dumps(fields, self._plain, _JSON)
        except (TypeError, ValueError):
            # Lone surrogates, circular references, integers beyond 64 bits: as Python prints them.
            harmless = {key: _harmless(value) for key, value in fields.items()}
            return orjson.dumps(harmless, None, _JSON)

    def _plain(self, value: Any) -> Any:
        try:
            return self.json_default(value) if self.json_default else str(value)
        except Exception:  # noqa: BLE001 - one bad value must not lose the line
            return _harmless(value)


def _harmless(value: Any) -> Any:
    if isinstance(value, (bool, float, datetime, type(None))):
        return value
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 - an object whose `__str__` fails
        return f"<{type(value).__name__}>"


class Line(NamedTuple):
    """One log line, independent of the logging module."""

    logger: str
    time: float
    severity: tuple[int, str]
    body: str
    span: SpanContext | None
    attributes: dict[str, Any]


def as_line(record: logging.LogRecord) -> Line:
    """Return a record as a line, with the ids of the current span."""
    body = record.getMessage()[:_MAX_BODY]
    attributes = attributes_of(record)
    return Line(record.name, record.created, severity(record), body, current_ids(), attributes)
