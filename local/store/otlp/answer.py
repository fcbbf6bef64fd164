"""The body of a response to an export request that was accepted, all of it or in part.

Source: OTLP 1.x, "Partial Success"; without rejected items its message is a warning.
"""

from __future__ import annotations

from importlib import import_module

import orjson

# Path: the signal's name in messages, and the fields of the count of rejected items.
_SIGNALS = {
    "/v1/traces": ("trace", "rejected_spans", "rejectedSpans"),
    "/v1/logs": ("logs", "rejected_log_records", "rejectedLogRecords"),
    "/v1/metrics": ("metrics", "rejected_data_points", "rejectedDataPoints"),
}


def success(path: str, rejected: int, message: str, *, is_json: bool) -> bytes:
    """Return the response's body.

    Args:
        path: The path that was posted to.
        rejected: Number of items that were not stored.
        message: Why, or a warning; empty for full success, whose body is an empty message.
        is_json: Whether the client sent JSON.
    """
    name, count, camel = _SIGNALS[path]
    if not message:
        return b"{}" if is_json else b""
    if is_json:
        return orjson.dumps({"partialSuccess": {camel: str(rejected), "errorMessage": message}})
    # Imported on demand: few clients need it, and the modules cost memory.
    service = import_module(f"opentelemetry.proto.collector.{name}.v1.{name}_service_pb2")
    answer = getattr(service, f"Export{name.title()}ServiceResponse")()
    setattr(answer.partial_success, count, rejected)
    answer.partial_success.error_message = message
    return bytes(answer.SerializeToString())
