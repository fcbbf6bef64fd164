"""Telemetry in memory, for your own tests: spans, metrics and log lines to assert on."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .logs import JsonHandler
from .logs.log_line import attributes_of, current_ids
from .settings import TelemetrySettings
from .telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from .semconv import Metric


class LogLine:
    """A log line as it would be written."""

    def __init__(self, record: logging.LogRecord) -> None:
        self.body = record.getMessage()
        self.severity = record.levelname
        self.logger = record.name
        self.attributes = attributes_of(record)
        ids = current_ids()
        self.trace_id = None if ids is None else f"{ids.trace_id:032x}"

    def __repr__(self) -> str:
        return f"<{self.severity} {self.logger}: {self.body!r} trace={self.trace_id}>"


class _Recorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(LogLine(record))


class RecordedTelemetry(Telemetry):
    """Telemetry that keeps its spans and log lines instead of exporting them."""

    def __init__(self, settings: TelemetrySettings) -> None:
        self.spans: list[ReadableSpan] = []
        self.recorder = _Recorder()
        super().__init__(settings, {"service.name": "test"}, sink=self.spans.append)

    @property
    def logs(self) -> list[LogLine]:
        """Return the lines written so far."""
        return self.recorder.lines

    def span(self, name: str) -> ReadableSpan:
        """Return the one ended span of this name.

        Raises:
            AssertionError: when there is none, or more than one; it lists all spans.
        """
        found = [span for span in self.spans if span.name == name]
        if len(found) == 1:
            return found[0]
        names = [span.name for span in self.spans]
        raise AssertionError(f"{len(found)} spans named {name!r}, there are {names}")

    def log(self, body: str) -> LogLine:
        """Return the one line with this body.

        Raises:
            AssertionError: when there is none, or more than one; it lists all lines.
        """
        found = [line for line in self.logs if line.body == body]
        if len(found) == 1:
            return found[0]
        raise AssertionError(f"{len(found)} lines with {body!r}, there are {self.logs}")

    def value(self, metric: Metric, **labels: str) -> float:
        """Return the value of one series, or the number of observations of a histogram.

        Raises:
            AssertionError: when there is no such series; it lists those of the family.
        """
        self.settle()
        name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
        seen: list[dict[str, str]] = []
        for family in self.metrics.registry.collect():
            for sample in family.samples:
                if sample.name == name:
                    seen.append(sample.labels)
                    if sample.labels == labels:
                        return sample.value
        raise AssertionError(f"no series {name}{labels}, there are {seen}")


@contextmanager
def recorded_telemetry(**settings: Any) -> Iterator[RecordedTelemetry]:
    """Record spans, metrics and log lines inside the block.

    Args:
        settings: Fields of TelemetrySettings to change, such as `sampler_ratio=0.1`.
    """
    plain = replace(TelemetrySettings(), multiproc_dir=None, **settings)
    telemetry = RecordedTelemetry(plain)
    root = logging.getLogger()
    level, sink = root.level, JsonHandler.sink
    root.addHandler(telemetry.recorder)
    root.setLevel(min(level, logging.INFO))
    JsonHandler.sink = None
    try:
        yield telemetry
    finally:
        root.removeHandler(telemetry.recorder)
        root.setLevel(level)
        JsonHandler.sink = sink
        telemetry.shutdown(timeout_seconds=0.1)
