"""Take a request apart into spans or log records, each of which is parsed on its own.

A whole request is never parsed at once: one bad string or byte would cost all of its items, and 14
MB of empty attributes would become 1 GB of messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from local.store.errors import BadPayloadError, TooLargeError
from local.store.otlp import json_form
from local.store.otlp.wire import Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local.store.otlp.groups import Group, Kind, Raw

# SDKs send 512 items of one resource at once, the Collector 8,192 of many.
MOST_ITEMS = 20_000
# The Collector does not join the resources of the exports that it joins.
MOST_GROUPS = 10_000


def unpack(body: bytes, kind: Kind, *, is_json: bool) -> list[Group]:
    """Return the groups of a request.

    Raises:
        BadPayloadError: The bytes are not such a request.
        TooLargeError: It has too many items, resources, scopes or fields, or too much JSON.
    """
    groups: list[Group] = []
    items = 0
    for group in json_form.groups(body, kind) if is_json else Walk().groups(memoryview(body)):
        groups.append(group)
        items += len(group.items)
        if items > MOST_ITEMS:
            raise TooLargeError(f"more than {MOST_ITEMS} {kind.items} in one request")
        if len(groups) > MOST_GROUPS:
            raise TooLargeError(f"more than {MOST_GROUPS} resources and scopes in one request")
    return groups


def parse(raw: Raw, name: str) -> Any:
    """Parse one message: `Span`, `LogRecord`, `Resource` or `InstrumentationScope`.

    The text of a message that arrived as protobuf is bytes, since it may be no UTF-8.

    Raises:
        BadPayloadError: It is malformed.
    """
    try:
        if isinstance(raw, memoryview):
            return _BINARY[name].FromString(bytes(raw))
        json_form.ids_to_base64(raw)
        return ParseDict(raw, _PLAIN[name](), ignore_unknown_fields=True)
    except (
        DecodeError,
        ParseError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BadPayloadError(f"malformed {name}: {str(error)[:200]}") from error


def _binary(*modules: Any) -> DescriptorPool:
    """Return the messages of these files with bytes for text, which no broken text can fail."""
    pool = DescriptorPool()
    for module in modules:
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in _nested(file.message_type):
            for field in message.field:
                if field.type == FieldDescriptorProto.TYPE_STRING:
                    field.type = FieldDescriptorProto.TYPE_BYTES
        pool.Add(file)
    return pool


def _nested(messages: Iterable[Any]) -> Iterator[Any]:
    for message in messages:
        yield message
        yield from _nested(message.nested_type)


_PLAIN: dict[str, Any] = {
    "Span": trace_pb2.Span,
    "LogRecord": logs_pb2.LogRecord,
    "Resource": resource_pb2.Resource,
    "InstrumentationScope": common_pb2.InstrumentationScope,
}
_POOL = _binary(common_pb2, resource_pb2, trace_pb2, logs_pb2)
_BINARY = {
    name: GetMessageClass(_POOL.FindMessageTypeByName(message.DESCRIPTOR.full_name))
    for name, message in _PLAIN.items()
}
