"""The resource of spans and exported log lines: the attributes of this process."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from .. import semconv

if TYPE_CHECKING:
    from ..settings import TelemetrySettings


def make_resource(settings: TelemetrySettings, identity: dict[str, str]) -> Resource:
    """Return the resource of this process.

    Args:
        settings: OTEL_RESOURCE_ATTRIBUTES, which override the program's values.
        identity: The program's attributes; empty values are left out.
    """
    known = {key: value for key, value in identity.items() if value}
    attributes: dict[str, str | int] = {
        **known,
        semconv.ATTR_SERVICE_INSTANCE_ID: f"{socket.gethostname()}-{os.getpid()}",
        semconv.ATTR_PROCESS_PID: os.getpid(),
        semconv.ATTR_TELEMETRY_SDK_NAME: "opentelemetry",
        semconv.ATTR_TELEMETRY_SDK_LANGUAGE: "python",
        **settings.resource,
    }
    return Resource(attributes)
