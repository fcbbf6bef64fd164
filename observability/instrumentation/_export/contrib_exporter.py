"""Export by opentelemetry-exporter-otlp, with TELEMETRY_EXPORTER=contrib or with gRPC.

Only the exporting thread imports this module: grpc must not be loaded in a process that forks,
https://github.com/grpc/grpc/issues/15334.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Underscored while upstream's logs are not stable:
# https://github.com/open-telemetry/opentelemetry-python/issues/4750
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from .._multiprocess.forking import unforked
from ..settings import LOGS_PATH, TRACES_PATH
from .transport import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource

    from ..logs.log_line import Line
    from ..settings import TelemetrySettings


class ContribSender:
    """A sender that uses the exporters of opentelemetry-exporter-otlp."""

    def __init__(self, settings: TelemetrySettings, resource: Callable[[], Resource]) -> None:
        self._resource = resource
        make = _grpc_exporters if settings.protocol == "grpc" else _http_exporters
        self._exporters = dict(zip(("traces", "logs"), make(settings), strict=True))

    def send(self, signal: str, items: list[Any], timeout: float | None) -> tuple[Outcome, int]:  # noqa: ARG002
        """Send a batch; the exporter retries on its own before it gives up."""
        batch = items if signal == "traces" else [self._record(line) for line in items]
        with unforked():
            result = self._exporters[signal].export(batch)
        accepted = result is SpanExportResult.SUCCESS or result.name == "SUCCESS"
        return (Outcome.ACCEPTED if accepted else Outcome.REFUSED), 0

    def close(self) -> None:
        """Stop both exporters; a send that is waiting ends."""
        for exporter in self._exporters.values():
            exporter.shutdown()

    def forget(self) -> None:
        """Do nothing: a process that forks has no exporters."""

    def _record(self, line: Line) -> ReadableLogRecord:
        number, text = line.severity
        time_ns, span = int(line.time * 1e9), line.span
        made = LogRecord(
            timestamp=time_ns,
            observed_timestamp=time_ns,
            trace_id=span.trace_id if span else 0,
            span_id=span.span_id if span else 0,
            trace_flags=span.trace_flags if span else None,
            severity_text=text,
            severity_number=SeverityNumber(number),
            body=line.body,
            attributes={key: _plain(value) for key, value in line.attributes.items()},
        )
        scope = InstrumentationScope(line.logger)
        return ReadableLogRecord(made, self._resource(), scope)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def _http_exporters(settings: TelemetrySettings) -> tuple[Any, Any]:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    rest: Any = {"headers": dict(settings.headers), "timeout": settings.timeout_seconds}
    return (
        OTLPSpanExporter(endpoint=settings.endpoint + TRACES_PATH, **rest),
        OTLPLogExporter(endpoint=settings.endpoint + LOGS_PATH, **rest),
    )


def _grpc_exporters(settings: TelemetrySettings) -> tuple[Any, Any]:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    rest: Any = {
        "endpoint": settings.endpoint,
        "headers": tuple(settings.headers.items()),
        "timeout": settings.timeout_seconds,
    }
    return OTLPSpanExporter(**rest), OTLPLogExporter(**rest)
