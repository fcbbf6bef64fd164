"""Counters and histograms with exemplars and a bounded number of label sets.

prometheus_client's own instruments have no such bound. These count everything beyond it under one
label set, `_OTHER`, so that arbitrary span names cannot fill the memory.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.samples import Exemplar

from observability.instrumentation.semconv import EXEMPLAR_TRACE_ID, OTHER

if TYPE_CHECKING:
    from observability.instrumentation.semconv import Metric

Labels = tuple[str, ...]
MAX_LABEL_VALUE = 200


class _Bounded:
    def __init__(self, metric: Metric, most: int) -> None:
        self.metric = metric
        self._most = most

    def _key(self, labels: Labels, known: dict[Labels, list[float]]) -> Labels:
        key = tuple(value[:MAX_LABEL_VALUE] for value in labels)
        if key in known or len(known) < self._most:
            return key
        return (OTHER,) * len(key)


class Counter(_Bounded):
    """A counter by label set."""

    def __init__(self, metric: Metric, most: int = 2_000) -> None:
        super().__init__(metric, most)
        self._values: dict[Labels, list[float]] = {}

    def add(self, labels: Labels, amount: float = 1.0) -> None:
        """Add to the label set's value, from 0 if it is new."""
        self._values.setdefault(self._key(labels, self._values), [0.0])[0] += amount

    def collect(self) -> CounterMetricFamily:
        """Return the family as prometheus_client exposes it."""
        name = self.metric.name.removesuffix("_total")
        family = CounterMetricFamily(name, self.metric.description, labels=list(self.metric.labels))
        for labels, (value,) in list(self._values.items()):
            family.add_metric(labels, value)
        return family


class Histogram(_Bounded):
    """A histogram by label set; each bucket keeps the latest trace that fell into it."""

    def __init__(self, metric: Metric, most: int = 1_000) -> None:
        super().__init__(metric, most)
        # By label set: a count per bucket, the last for +Inf, then the sum.
        self._values: dict[Labels, list[float]] = {}
        self._exemplars: dict[Labels, dict[int, Exemplar]] = {}

    def observe(self, labels: Labels, value: float, trace_id: str, when: float) -> None:
        """Count a value, and keep its trace as the exemplar of its bucket."""
        key = self._key(labels, self._values)
        width = len(self.metric.buckets) + 2
        values = self._values.setdefault(key, [0.0] * width)
        bucket = bisect_left(self.metric.buckets, value)
        values[bucket] += 1
        values[-1] += value
        exemplar = Exemplar({EXEMPLAR_TRACE_ID: trace_id}, value, when)
        self._exemplars.setdefault(key, {})[bucket] = exemplar

    def collect(self) -> HistogramMetricFamily:
        """Return the family as prometheus_client exposes it."""
        family = HistogramMetricFamily(
            self.metric.name, self.metric.description, labels=list(self.metric.labels)
        )
        for labels, values in list(self._values.items()):
            exemplars = dict(self._exemplars.get(labels, {}))
            family.add_metric(labels, self._buckets(values, exemplars), values[-1])
        return family

    def _buckets(
        self, values: list[float], exemplars: dict[int, Exemplar]
    ) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
        total = 0.0
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        bounds = [*(f"{bound:g}" for bound in self.metric.buckets), "+Inf"]
        for index, bound in enumerate(bounds):
            total += values[index]
            exemplar = exemplars.get(index)
            buckets.append((bound, total, exemplar) if exemplar else (bound, total))
        return buckets
