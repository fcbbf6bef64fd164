"""The span attributes of a message, which its producer and its consumer share.

Source: OpenTelemetry semantic conventions 1.40, messaging spans.
"""

from __future__ import annotations

from typing import Any

from .. import semconv


def message_attributes(operation: str, queue: str, task: str, message_id: str) -> dict[str, Any]:
    """Return the attributes of a span that sends or processes a message."""
    return {
        semconv.ATTR_MESSAGING_SYSTEM: "celery",
        semconv.ATTR_MESSAGING_OPERATION_NAME: operation,
        semconv.ATTR_MESSAGING_OPERATION_TYPE: operation,
        semconv.ATTR_MESSAGING_DESTINATION: queue,
        semconv.ATTR_MESSAGING_MESSAGE_ID: message_id,
        semconv.ATTR_CELERY_TASK_NAME: task,
    }
