"""The kit's only look at the environment: the standard OTEL_* variables and what they lack."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from .environment import EnvironmentReader, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EnvironmentReader", "SettingsError", "TelemetrySettings", "prefer_stable_http_names"]

SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
EXPORTERS = ("otlp", "none", "console")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
TRACES_PATH = "/v1/traces"
LOGS_PATH = "/v1/logs"


@dataclass(frozen=True)
class TelemetrySettings:
    """How this process tells what it does.

    Args:
        endpoint: Base URL of the OTLP receiver (OTEL_EXPORTER_OTLP_ENDPOINT); paths are appended.
        protocol: `http/protobuf` or `grpc` (OTEL_EXPORTER_OTLP_PROTOCOL).
        headers: Sent with each export (OTEL_EXPORTER_OTLP_HEADERS).
        timeout_seconds: Of one export; the variable OTEL_EXPORTER_OTLP_TIMEOUT is in seconds.
        certificate: File with the receiver's authority (OTEL_EXPORTER_OTLP_CERTIFICATE).
        compression: `none` or `gzip` (OTEL_EXPORTER_OTLP_COMPRESSION).
        exporter: Whose exporter carries them (TELEMETRY_EXPORTER): ours, `lean`, or that of
            opentelemetry-exporter-otlp, `contrib`, which gRPC always takes.
        sampler: OTEL_TRACES_SAMPLER; `sampler_ratio` is its argument, 0-1.
        sdk_disabled: OTEL_SDK_DISABLED; no spans and no exported logs, metrics stay.
        traces_export: OTEL_TRACES_EXPORTER is `otlp`; other exporters are another provider's.
        logs_export: Log lines go over OTLP too (TELEMETRY_LOGS_EXPORT).
        resource: OTEL_RESOURCE_ATTRIBUTES; OTEL_SERVICE_NAME becomes its `service.name`.
        queue_size: Spans, and as many log lines, that may wait (OTEL_BSP_MAX_QUEUE_SIZE).
        batch_size: Most of them in one export (OTEL_BSP_MAX_EXPORT_BATCH_SIZE).
        delay_seconds: Longest wait for an export (OTEL_BSP_SCHEDULE_DELAY, milliseconds there).
        flask: Which instrumentor makes Flask's spans (TELEMETRY_FLASK).
        log_level: Lowest severity that is written (TELEMETRY_LOG_LEVEL).
        slow_seconds: A request that took longer is kept although the sampler said no
            (TELEMETRY_SLOW_REQUEST_SECONDS).
        multiproc_dir: Folder of the metrics of this process's family (PROMETHEUS_MULTIPROC_DIR).
        warnings: What is odd, yet works; logged once at start.
    """

    endpoint: str = "http://localhost:4318"
    protocol: str = "http/protobuf"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 10.0
    certificate: str = ""
    compression: str = "none"
    exporter: str = "lean"
    sampler: str = "parentbased_always_on"
    sampler_ratio: float = 1.0
    sdk_disabled: bool = False
    traces_export: bool = True
    logs_export: bool = True
    resource: Mapping[str, str] = field(default_factory=dict)
    queue_size: int = 2048
    batch_size: int = 512
    delay_seconds: float = 0.5
    flask: str = "lean"
    log_level: str = "INFO"
    slow_seconds: float = 1.0
    multiproc_dir: Path | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> TelemetrySettings:
        """Read all of them.

        Raises:
            SettingsError: naming every bad variable, its value and what was expected.
        """
        reader = EnvironmentReader(environ)
        settings = cls.read(reader)
        reader.finish()
        return settings

    @classmethod
    def read(cls, reader: EnvironmentReader) -> TelemetrySettings:
        """Read all of them, and leave what is bad in the caller's reader."""
        folder = reader.raw("PROMETHEUS_MULTIPROC_DIR")
        endpoint, warnings = _endpoint(reader)
        return cls(
            endpoint=endpoint,
            protocol=reader.choice(
                "OTEL_EXPORTER_OTLP_PROTOCOL", cls.protocol, ("http/protobuf", "grpc")
            ),
            headers=_pairs(reader, "OTEL_EXPORTER_OTLP_HEADERS", secret=True),
            timeout_seconds=reader.number("OTEL_EXPORTER_OTLP_TIMEOUT", 10.0, low=0.1, high=120),
            certificate=reader.raw("OTEL_EXPORTER_OTLP_CERTIFICATE") or "",
            compression=reader.choice("OTEL_EXPORTER_OTLP_COMPRESSION", "none", ("none", "gzip")),
            exporter=reader.choice("TELEMETRY_EXPORTER", cls.exporter, ("lean", "contrib")),
            sampler=reader.choice("OTEL_TRACES_SAMPLER", cls.sampler, SAMPLERS),
            sampler_ratio=reader.number("OTEL_TRACES_SAMPLER_ARG", 1.0, low=0, high=1),
            sdk_disabled=reader.flag("OTEL_SDK_DISABLED", default=False),
            traces_export=reader.choice("OTEL_TRACES_EXPORTER", "otlp", EXPORTERS) == "otlp",
            logs_export=reader.flag("TELEMETRY_LOGS_EXPORT", default=True),
            resource=_resource(reader),
            queue_size=reader.integer("OTEL_BSP_MAX_QUEUE_SIZE", 2048, low=16, high=1_000_000),
            batch_size=reader.integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, low=1, high=10_000),
            delay_seconds=reader.number("OTEL_BSP_SCHEDULE_DELAY", 500, low=10, high=60_000) / 1000,
            flask=reader.choice("TELEMETRY_FLASK", cls.flask, ("lean", "contrib")),
            log_level=reader.choice("TELEMETRY_LOG_LEVEL", cls.log_level, LOG_LEVELS),
            slow_seconds=reader.number("TELEMETRY_SLOW_REQUEST_SECONDS", 1.0, low=0),
            multiproc_dir=Path(folder) if folder else None,
            warnings=warnings,
        )


def prefer_stable_http_names() -> None:
    """Ask contrib instrumentors for the stable HTTP conventions, unless someone chose."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")


def _endpoint(reader: EnvironmentReader) -> tuple[str, tuple[str, ...]]:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    endpoint = reader.text(name, TelemetrySettings.endpoint).rstrip("/")
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _port_is_valid(endpoint):
        reader.add_problem(name, "a URL such as http://collector:4318", value=endpoint)
    if endpoint.endswith((TRACES_PATH, LOGS_PATH)):
        hint = "ends in a signal's path, which is appended once more: give the base URL only"
        return endpoint, (f"{name}={endpoint} {hint}",)
    return endpoint, ()


def _port_is_valid(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _pairs(reader: EnvironmentReader, name: str, *, secret: bool = False) -> dict[str, str]:
    """Read `key=value,key=value`, percent-decoded. Source: W3C Baggage, as OTel uses it."""
    pairs = {}
    for part in filter(None, (reader.raw(name) or "").split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            reader.add_problem(name, "key=value,key=value", value=None if secret else part)
            continue
        pairs[unquote(key.strip())] = unquote(value.strip())
    return pairs


def _resource(reader: EnvironmentReader) -> dict[str, str]:
    resource = _pairs(reader, "OTEL_RESOURCE_ATTRIBUTES")
    name = reader.raw("OTEL_SERVICE_NAME")
    return {**resource, "service.name": name} if name else resource
