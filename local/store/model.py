"""Spans, log lines and mails as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Attributes = dict[str, Any]


class Scope(NamedTuple):
    """The library that recorded a span or a log line."""

    name: str
    version: str


NO_SCOPE = Scope("", "")


@dataclass(frozen=True, slots=True)
class Span:
    """One span as received.

    Args:
        kind: OTLP's number, 0 unspecified to 5 consumer.
        status: OTLP's number: 0 unset, 1 ok, 2 error.
        duration_ns: Never negative, even if the clocks disagree.
    """

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: int
    start_ns: int
    duration_ns: int
    status: int
    status_message: str
    attributes: Attributes
    resource: Attributes
    events: list[Attributes] = field(default_factory=list)
    links: list[Attributes] = field(default_factory=list)
    scope: Scope = NO_SCOPE
    trace_state: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log record as it arrived; `trace_id` is empty outside a trace.

    Args:
        severity: OTLP's number, 0 unknown, 1 trace to 24 fatal.
        event_name: Empty unless the record is an event.
    """

    time_ns: int
    service: str
    severity: int
    severity_text: str
    body: str
    trace_id: str
    span_id: str
    attributes: Attributes
    resource: Attributes
    scope: Scope = NO_SCOPE
    event_name: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message that the SMTP sink received."""

    received_ns: int
    message_id: str
    sender: str
    recipients: list[str]
    subject: str
    trace_id: str
    order_id: str
    headers: dict[str, str]
    text: str
    size: int
