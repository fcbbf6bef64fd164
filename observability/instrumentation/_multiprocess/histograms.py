"""Histograms in shared files: each bucket is written on its own and read back cumulated.

`Histogram.observe` of prometheus_client compares a value with one bound after the other; upstream
declined a bisection: https://github.com/prometheus/client_python/issues/412. It also drops
exemplars in shared files: https://github.com/prometheus/client_python/issues/826.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from time import time
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from .. import semconv
from .._tracing.recorded_span import sampled_trace_id
from .totals import parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client import Histogram

    from .exemplars import ExemplarFile, StoredExemplar
    from .totals import Key, Totals

_bound_text: Callable[[float], str] = floatToGoString


class SharedHistogram:
    """One label set of a histogram in shared files.

    Args:
        child: The child of prometheus_client's histogram, whose values are in the files.
        metric: The histogram.
        label_values: The label values of the child.
        file: Takes the exemplars.
    """

    def __init__(
        self,
        child: Histogram,
        metric: semconv.Metric,
        label_values: Sequence[str],
        file: ExemplarFile,
    ) -> None:
        self._bounds = metric.buckets
        self._keys = _bucket_keys(metric, label_values)
        self._file = file
        self._epoch = -1
        self._slots: list[int] = []
        # Private: upstream has no method that takes the index of a bucket; see issue 412 above.
        self._sum = child._sum.inc
        self._buckets = [bucket.inc for bucket in child._buckets]

    def observe(self, value: float, trace_id: int | None = None) -> None:
        """Count a value, with an exemplar; see `HistogramChild.observe`."""
        index = bisect_left(self._bounds, value)
        self._sum(value)
        self._buckets[index](1)
        trace_id = sampled_trace_id() if trace_id is None else trace_id
        if not trace_id:
            return
        file = self._file
        if self._epoch != file.epoch:
            self._epoch = file.epoch
            self._slots = [-1] * len(self._keys)
        place = self._slots[index]
        if place < 0:
            place = self._slots[index] = file.slot(self._keys[index])
        file.put(place, trace_id, value, time())


def _bucket_keys(metric: semconv.Metric, label_values: Sequence[str]) -> list[str]:
    """Return the keys of a child's buckets in prometheus_client's file."""
    sample, names, text = f"{metric.name}_bucket", [*metric.labels, "le"], metric.description
    return [
        mmap_key(metric.name, sample, names, [*label_values, _bound_text(bound)], text)
        for bound in (*metric.buckets, float("inf"))
    ]


def histogram_families(totals: Totals) -> Iterator[Family]:
    """Yield the histograms in the totals, with cumulated buckets, exemplars, count and sum."""
    sums: list[tuple[Key, float]] = []
    buckets: defaultdict[object, list[tuple[float, float, str]]] = defaultdict(list)
    for raw, value in totals.histograms.items():
        key = parse_key(raw)
        if key.bound is not None:
            buckets[key.family, key.labels].append((key.bound, value, raw))
        elif key.sample.endswith("_sum"):
            sums.append((key, value))
    families: dict[str, Family] = {}
    for key, total in sums:
        family = families.get(key.family)
        if family is None:
            family = families[key.family] = Family(key.family, key.help, "histogram")
        family.samples += _samples(key, buckets[key.family, key.labels], total, totals.exemplars)
    yield from families.values()


def _samples(
    key: Key,
    buckets: list[tuple[float, float, str]],
    total: float,
    exemplars: dict[str, StoredExemplar],
) -> Iterator[Sample]:
    labels = dict(key.labels)
    count = 0.0
    for bound, value, raw in sorted(buckets):
        count += value
        stored = exemplars.get(raw)
        exemplar = None if stored is None else _exemplar(stored)
        with_bound = {**labels, "le": _bound_text(bound)}
        yield Sample(f"{key.family}_bucket", with_bound, count, None, exemplar)
    yield Sample(f"{key.family}_count", labels, count)
    yield Sample(f"{key.family}_sum", labels, total)


def _exemplar(stored: StoredExemplar) -> Exemplar:
    return Exemplar({semconv.EXEMPLAR_TRACE_ID: stored.trace_id}, stored.value, stored.timestamp)
