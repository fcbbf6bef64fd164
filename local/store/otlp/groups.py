"""The groups of a request: the items of one scope of one resource, which are not parsed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Raw = memoryview | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request.

    Args:
        groups: Name of the list of resources in JSON.
        scopes: Name of the list of scopes of a resource.
        items: Name of the list of items of a scope.
        item: Name of the message of an item.
    """

    groups: str
    scopes: str
    items: str
    item: str


TRACES = Kind("resourceSpans", "scopeSpans", "spans", "Span")
LOGS = Kind("resourceLogs", "scopeLogs", "logRecords", "LogRecord")


@dataclass(frozen=True, slots=True)
class Group:
    """The items of one scope of one resource, not yet parsed."""

    resource: Raw
    scope: Raw
    items: list[Raw]
