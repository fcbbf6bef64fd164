"""Read a request in OTLP's JSON form, without parsing its items.

Source: OTLP 1.x, "JSON Protobuf Encoding": ids are hex where protobuf's own JSON has base64.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import orjson

from local.store.errors import BadPayloadError, TooLargeError
from local.store.otlp.groups import Group, Kind
from local.store.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_JSON_BYTES = 4 * 1024 * 1024
MOST_JSON_CONTAINERS = 400_000
_SNAKE = re.compile("([A-Z])")
_HEX_IDS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}


def groups(body: bytes, kind: Kind) -> Iterator[Group]:
    """Yield the groups of a request."""
    document = _load(body)
    for group in _objects(document, kind.groups):
        resource = group.get("resource") or {}
        for scope in _objects(group, kind.scopes):
            yield Group(resource, scope.get("scope") or {}, _listed(scope, kind.items))


def _load(body: bytes) -> dict[str, Any]:
    if len(body) > MOST_JSON_BYTES or body.count(b"{") + body.count(b"[") > MOST_JSON_CONTAINERS:
        raise TooLargeError(
            f"more than {MOST_JSON_BYTES} bytes or {MOST_JSON_CONTAINERS} objects of JSON;"
            " send smaller batches or protobuf"
        )
    try:
        document = orjson.loads(body)
    except ValueError:
        document = _repaired(body)
    if not isinstance(document, dict):
        raise BadPayloadError("not an OTLP request: expected a JSON object")
    return document


def _repaired(body: bytes) -> Any:
    """Parse JSON whose text is no UTF-8, or contains lone surrogates."""
    try:
        return _cleaned(json.loads(clean(body)))
    except (ValueError, RecursionError) as error:
        raise BadPayloadError(f"not an OTLP request: {str(error)[:200]}") from error


def _cleaned(node: Any) -> Any:
    if isinstance(node, str):
        return clean(node)
    if isinstance(node, list):
        return [_cleaned(item) for item in node]
    if isinstance(node, dict):
        return {clean(key): _cleaned(item) for key, item in node.items()}
    return node


def _objects(parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = _listed(parent, name)
    if not all(isinstance(item, dict) for item in found):
        raise BadPayloadError(f"not an OTLP request: {name}: expected objects")
    return found


def _listed(parent: dict[str, Any], name: str) -> list[Any]:
    found = parent.get(name) or parent.get(_SNAKE.sub(r"_\1", name).lower()) or []
    if not isinstance(found, list):
        raise BadPayloadError(f"not an OTLP request: {name}: expected a list")
    return found


def ids_to_base64(node: Any) -> None:
    """Turn each id in a document into the form that protobuf's JSON parser reads."""
    if isinstance(node, list):
        for item in node:
            ids_to_base64(item)
    elif isinstance(node, dict):
        for key, item in node.items():
            if key in _HEX_IDS and isinstance(item, str):
                node[key] = base64.b64encode(bytes.fromhex(item)).decode()
            else:
                ids_to_base64(item)
