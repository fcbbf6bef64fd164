"""Count spans under the names of Tempo's metrics generator as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.store import semconv
from local.store.metrics.series import Counter, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.store.model import Span

_KINDS = tuple(f"SPAN_KIND_{name.upper()}" for name in semconv.KIND_NAMES)
_STATUSES = tuple(f"STATUS_CODE_{name.upper()}" for name in semconv.STATUS_NAMES)


class SpanMetrics:
    """Calls, latency and size by service, span name, kind and status."""

    def __init__(self) -> None:
        self._calls = Counter(semconv.SPAN_CALLS)
        self._size = Counter(semconv.SPAN_SIZE)
        self._latency = Histogram(semconv.SPAN_LATENCY)

    def count(self, span: Span) -> None:
        """Count one span."""
        labels = (span.service, span.name, _KINDS[span.kind], _STATUSES[span.status])
        seconds = span.duration_ns / 1e9
        self._calls.add(labels)
        self._size.add(labels, _size(span))
        ended = span.start_ns / 1e9 + seconds
        self._latency.observe(labels, seconds, span.trace_id, ended)

    def series(self) -> Iterator[Counter | Histogram]:
        """Yield the series to expose."""
        yield from (self._calls, self._size, self._latency)


def _size(span: Span) -> int:
    """Return the approximate size of a span's own texts, in bytes."""
    pairs = sum(len(key) + len(str(value)) for key, value in span.attributes.items())
    return 64 + len(span.name) + pairs
