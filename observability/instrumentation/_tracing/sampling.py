"""Decide when a trace starts whether it is sampled: the samplers of OTEL_TRACES_SAMPLER."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from ..settings import TelemetrySettings

_LOW_64_BITS = (1 << 64) - 1


class Decision(Enum):
    """The decision about a new trace."""

    DROP = 0
    # Recorded, and exported only if its root fails or is slow.
    WATCH = 1
    SAMPLE = 2


class Sampler:
    """The samplers of the specification, at the cost of one comparison per trace.

    A ratio sampler also watches the traces that it does not sample: their local part is exported
    when its root fails or is slow. That costs recording their spans, but not exporting them.

    Source: OpenTelemetry specification, OTEL_TRACES_SAMPLER; the ratio compares the low 64 bits
    of the trace id, as the SDK's TraceIdRatioBased does.
    """

    def __init__(self, settings: TelemetrySettings) -> None:
        self._by_parent = settings.sampler.startswith("parentbased_")
        base = settings.sampler.removeprefix("parentbased_")
        ratio = {"always_on": 1.0, "always_off": 0.0}.get(base, settings.sampler_ratio)
        self._bound = round(ratio * (1 << 64))
        self._refusal = Decision.WATCH if base == "traceidratio" else Decision.DROP

    def decide(self, trace_id: int, parent: SpanContext | None) -> Decision:
        """Decide about the first span of a trace in this process; a parent is a remote one."""
        if parent is not None and self._by_parent:
            return Decision.SAMPLE if parent.trace_flags & 1 else self._refusal
        return Decision.SAMPLE if trace_id & _LOW_64_BITS < self._bound else self._refusal
