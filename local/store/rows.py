"""Turn model values into rows, and rows into the answers of the HTTP API."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson

from local.store.semconv import KIND_NAMES, LEVELS, STATUS_NAMES

if TYPE_CHECKING:
    import sqlite3

    from local.store.model import LogLine, Mail, Span

_INSERT = "INSERT INTO {} VALUES (NULL{})"
INSERT_SPAN = (
    _INSERT.format("spans", ", ?" * 17)
    + " ON CONFLICT(trace_id, span_id, kind, start_ns) DO NOTHING"
)
INSERT_LOG = _INSERT.format("logs", ", ?" * 12)
INSERT_MAIL = _INSERT.format("mails", ", ?" * 10)
_span_values = attrgetter(
    *("trace_id", "span_id", "parent_id", "service", "name", "kind"),
    *("start_ns", "duration_ns", "status", "status_message"),
)
_log_values = attrgetter(
    *("time_ns", "service", "severity", "severity_text", "body", "trace_id", "span_id")
)


def dump(value: Any) -> str:
    """Return compact JSON; a value without a JSON type becomes a string."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def span_row(span: Span, resource_id: int) -> tuple[Any, ...]:
    """Return the values of INSERT_SPAN."""
    return (
        *_span_values(span),
        dump(span.attributes),
        dump(span.events),
        dump(span.links),
        resource_id,
        *span.scope,
        span.trace_state,
    )


def log_row(line: LogLine, resource_id: int) -> tuple[Any, ...]:
    """Return the values of INSERT_LOG."""
    return (
        *_log_values(line),
        dump(line.attributes),
        resource_id,
        *line.scope,
        line.event_name,
    )


def mail_row(mail: Mail) -> tuple[Any, ...]:
    """Return the values of INSERT_MAIL."""
    return (
        mail.received_ns,
        mail.message_id,
        mail.sender,
        dump(mail.recipients),
        mail.subject,
        mail.trace_id,
        mail.order_id,
        dump(mail.headers),
        mail.text,
        mail.size,
    )


def read_span(row: sqlite3.Row, resource: dict[str, Any]) -> dict[str, Any]:
    """Return a span as the API shows it."""
    return {
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
        "parent_span_id": row["parent_id"],
        "service": row["service"],
        "name": row["name"],
        "kind": KIND_NAMES[row["kind"]],
        "start_ns": row["start_ns"],
        "duration_ns": row["duration_ns"],
        "status": STATUS_NAMES[row["status"]],
        "status_message": row["status_message"],
        "attributes": orjson.loads(row["attributes"]),
        "resource": resource,
        "events": orjson.loads(row["events"]),
        "links": orjson.loads(row["links"]),
        "scope": {"name": row["scope_name"], "version": row["scope_version"]},
        "trace_state": row["trace_state"],
    }


def read_log(row: sqlite3.Row, resource: dict[str, Any]) -> dict[str, Any]:
    """Return a log line as the API shows it."""
    level = level_of(row["severity"])
    return {
        "id": row["id"],
        "time_ns": row["time_ns"],
        "service": row["service"],
        "severity": row["severity_text"] or level.upper(),
        "level": level,
        "body": row["body"],
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
        "attributes": orjson.loads(row["attributes"]),
        "resource": resource,
        "scope": {"name": row["scope_name"], "version": row["scope_version"]},
        "event_name": row["event_name"],
    }


def read_mail(row: sqlite3.Row) -> dict[str, Any]:
    """Return a mail as the API shows it."""
    return {
        "id": row["id"],
        "received_ns": row["received_ns"],
        "message_id": row["message_id"],
        "from": row["sender"],
        "to": orjson.loads(row["recipients"]),
        "subject": row["subject"],
        "trace_id": row["trace_id"],
        "order_id": row["order_id"],
        "headers": orjson.loads(row["headers"]),
        "text": row["text"],
        "size": row["size"],
    }


def level_of(severity: int) -> str:
    """Return the level of OTLP's severity number; 0, unknown, counts as info."""
    number = severity or LEVELS["info"]
    return max((value, word) for word, value in LEVELS.items() if value <= number)[1]
