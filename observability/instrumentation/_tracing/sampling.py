"""Decide at the start of a trace whether it is kept, as the standard variables say."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from ..settings import TelemetrySettings

_LOW_64_BITS = (1 << 64) - 1


class Decision(Enum):
    """What happens to a span."""

    DROP = 0
    # Recorded and exported only if it turns out to be slow or to fail.
    WATCH = 1
    SAMPLE = 2


class Sampler:
    """The samplers of the specification, in one comparison per trace.

    A ratio sampler also watches the traces that it does not take: their local part is kept when
    its root fails or is slow, which costs the making of the spans but not their export.

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
        """Decide about a span whose parent, if any, is in another process or of another kind."""
        if parent is not None and self._by_parent:
            return Decision.SAMPLE if parent.trace_flags & 1 else self._refusal
        return Decision.SAMPLE if trace_id & _LOW_64_BITS < self._bound else self._refusal
