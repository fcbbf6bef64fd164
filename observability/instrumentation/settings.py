"""Settings of telemetry: the standard OTEL_* variables, and a few that they lack."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .environment import (
    EnvironmentReader,
    EnvironmentSettings,
    SettingsError,
    TrustedHosts,
    flag,
    http_url,
    integer,
    nested,
    number,
    one_of,
    pairs,
    port_or_any,
    setting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EntrySettings",
    "EnvironmentReader",
    "SettingsError",
    "TelemetrySettings",
    "prefer_stable_names",
]

SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
EXPORTERS = ("otlp", "none", "console")
LEAN, SDK = ENGINES = ("lean", "sdk")
GRPC = "grpc"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
TRACES_PATH = "/v1/traces"
LOGS_PATH = "/v1/logs"


def _has_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _is_otlp(text: str) -> bool:
    return one_of(*EXPORTERS)(text) == "otlp"


def _milliseconds(text: str) -> float:
    return number(10, 60_000)(text) / 1000


@dataclass(frozen=True)
class TelemetrySettings(EnvironmentSettings):
    """Settings of the telemetry of a process.

    Args:
        endpoint: Base URL of the OTLP receiver (OTEL_EXPORTER_OTLP_ENDPOINT); paths are appended.
        protocol: `http/protobuf` or `grpc` (OTEL_EXPORTER_OTLP_PROTOCOL).
        headers: Sent with each export (OTEL_EXPORTER_OTLP_HEADERS).
        timeout_seconds: Of one export; the variable OTEL_EXPORTER_OTLP_TIMEOUT is in seconds.
        certificate: File with the receiver's authority (OTEL_EXPORTER_OTLP_CERTIFICATE).
        compression: `none` or `gzip` (OTEL_EXPORTER_OTLP_COMPRESSION).
        engine: What makes spans and exports them and log lines (TELEMETRY_ENGINE): ours, `lean`,
            or `sdk`, OpenTelemetry's own provider, batch processors, exporters and Flask
            instrumentor. Unset, it is `sdk` with gRPC, which `lean` does not speak, else `lean`.
        sampler: OTEL_TRACES_SAMPLER; `sampler_ratio` is its argument, 0-1.
        sdk_disabled: OTEL_SDK_DISABLED; no spans and no exported logs, metrics stay.
        traces_export: Whether OTEL_TRACES_EXPORTER is `otlp`; this kit has no other exporter.
        logs_export: Whether log lines go over OTLP too (TELEMETRY_LOGS_EXPORT).
        service_name: OTEL_SERVICE_NAME; it becomes the resource's `service.name`.
        resource: Attributes of this process (OTEL_RESOURCE_ATTRIBUTES).
        queue_size: Spans, and as many log lines, that may wait (OTEL_BSP_MAX_QUEUE_SIZE).
        batch_size: Most of them in one export (OTEL_BSP_MAX_EXPORT_BATCH_SIZE).
        delay_seconds: Longest wait for an export (OTEL_BSP_SCHEDULE_DELAY, milliseconds there).
        log_level: Lowest severity that is written (TELEMETRY_LOG_LEVEL).
        log_stream: Where log lines are written (TELEMETRY_LOG_STREAM): `stdout` or `stderr`.
        slow_seconds: A request that took longer is exported even if it was not sampled
            (TELEMETRY_SLOW_REQUEST_SECONDS).
        zero_series: Most label sets of requests that exist at 0 before the first request; each is
            a histogram of 18 series (TELEMETRY_ZERO_SERIES).
        multiproc_dir: Folder of the metrics of this process's family (PROMETHEUS_MULTIPROC_DIR).
    """

    endpoint: str = setting("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", http_url)
    protocol: str = setting(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", one_of("http/protobuf", GRPC)
    )
    headers: Mapping[str, str] = setting("OTEL_EXPORTER_OTLP_HEADERS", {}, pairs, hidden=True)
    timeout_seconds: float = setting("OTEL_EXPORTER_OTLP_TIMEOUT", 10.0, number(0.1, 120))
    certificate: str = setting("OTEL_EXPORTER_OTLP_CERTIFICATE", "")
    compression: str = setting("OTEL_EXPORTER_OTLP_COMPRESSION", "none", one_of("none", "gzip"))
    engine: str = setting(
        "TELEMETRY_ENGINE", "", one_of(*ENGINES), formerly=("TELEMETRY_FLASK", "TELEMETRY_EXPORTER")
    )
    sampler: str = setting("OTEL_TRACES_SAMPLER", "parentbased_always_on", one_of(*SAMPLERS))
    sampler_ratio: float = setting("OTEL_TRACES_SAMPLER_ARG", 1.0, number(0, 1))
    sdk_disabled: bool = setting("OTEL_SDK_DISABLED", False, flag)
    traces_export: bool = setting("OTEL_TRACES_EXPORTER", True, _is_otlp)
    logs_export: bool = setting("TELEMETRY_LOGS_EXPORT", True, flag)
    service_name: str = setting("OTEL_SERVICE_NAME", "")
    resource: Mapping[str, str] = setting("OTEL_RESOURCE_ATTRIBUTES", {}, pairs)
    queue_size: int = setting("OTEL_BSP_MAX_QUEUE_SIZE", 2048, integer(16, 1_000_000))
    batch_size: int = setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, integer(1, 10_000))
    delay_seconds: float = setting("OTEL_BSP_SCHEDULE_DELAY", 0.5, _milliseconds)
    log_level: str = setting("TELEMETRY_LOG_LEVEL", "INFO", one_of(*LOG_LEVELS))
    log_stream: str = setting("TELEMETRY_LOG_STREAM", "stdout", one_of("stdout", "stderr"))
    slow_seconds: float = setting("TELEMETRY_SLOW_REQUEST_SECONDS", 1.0, number(0))
    zero_series: int = setting("TELEMETRY_ZERO_SERIES", 300, integer(0, 100_000))
    multiproc_dir: Path | None = setting("PROMETHEUS_MULTIPROC_DIR", None, Path)

    def __post_init__(self) -> None:
        """Give OTEL_SERVICE_NAME precedence over the resource's `service.name`."""
        if self.service_name:
            named = {**self.resource, "service.name": self.service_name}
            object.__setattr__(self, "resource", named)
        if not self.engine:
            object.__setattr__(self, "engine", SDK if self.protocol == GRPC else LEAN)

    def check(self, reader: EnvironmentReader) -> None:
        """Refuse the one combination of settings that cannot work."""
        if self.engine == LEAN and self.protocol == GRPC:
            expected = (
                f"`{SDK}`, since OTEL_EXPORTER_OTLP_PROTOCOL={GRPC}, which `{LEAN}` does not speak"
            )
            reader.add_problem("TELEMETRY_ENGINE", expected, value=self.engine)
        part = "grpc" if self.protocol == GRPC else "http"
        if self.engine == SDK and not _has_module(f"opentelemetry.exporter.otlp.proto.{part}"):
            package = f"opentelemetry-exporter-otlp-proto-{part}"
            expected = f"`{LEAN}` over http/protobuf, or the package {package} installed"
            reader.add_problem("TELEMETRY_ENGINE", expected, value=self.engine)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about settings that work but look wrong; logged once at start."""
        if not self.endpoint.endswith((TRACES_PATH, LOGS_PATH)):
            return ()
        hint = "ends in a signal's path, which is appended once more: give the base URL only"
        return (f"OTEL_EXPORTER_OTLP_ENDPOINT={self.endpoint} {hint}",)


@dataclass(frozen=True)
class EntrySettings(EnvironmentSettings):
    """Settings of a program that is instrumented by one call.

    Args:
        telemetry: Settings of its telemetry.
        metrics_port: Where `/metrics` is served (OTEL_EXPORTER_PROMETHEUS_PORT); by default each
            kind of program has a port of its own, and 0 takes a free one.
        metrics_host: Address to listen on (OTEL_EXPORTER_PROMETHEUS_HOST).
        trusted_hosts: Public names under which it may be scraped (TRUSTED_HOSTS).
    """

    telemetry: TelemetrySettings = nested(TelemetrySettings)
    metrics_port: int | None = setting("OTEL_EXPORTER_PROMETHEUS_PORT", None, port_or_any)
    # Scrapes come from another container.
    metrics_host: str = setting("OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0")
    trusted_hosts: TrustedHosts = setting("TRUSTED_HOSTS", TrustedHosts(), TrustedHosts.parse)


def set_metrics_folder(folder: Path) -> None:
    """Set PROMETHEUS_MULTIPROC_DIR for this process and its children."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def prefer_stable_names() -> None:
    """Ask contrib instrumentors for the stable conventions, unless others are set."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
