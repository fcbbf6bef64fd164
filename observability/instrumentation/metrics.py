"""Counters, gauges and histograms made from `semconv.Metric`, and gauges read at scrape time.

prometheus_client stores the values. Children are looked up once and kept, since the lookup costs
more than counting. What several processes share is in `_multiprocess`; serving is in `exposition`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.core import GaugeMetricFamily

from . import semconv
from ._multiprocess.exemplars import ExemplarFile
from ._multiprocess.histograms import SharedHistogram
from ._multiprocess.shared_values import (
    SharedChild,
    SharedValue,
    share_values,
    use_shared_values,
)
from ._tracing.recorded_span import sampled_trace_id

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from prometheus_client.metrics import MetricWrapperBase
    from prometheus_client.metrics_core import Metric as Family

_logger = logging.getLogger(__name__)


def bounded(value: str, known: Container[str]) -> str:
    """Return the value if it is known, else the one value for all others."""
    return value if value in known else semconv.OTHER


class HistogramChild:
    """One label set of a histogram."""

    def __init__(self, child: Histogram) -> None:
        self._child = child

    def share(
        self, metric: semconv.Metric, label_values: tuple[str, ...], file: ExemplarFile
    ) -> None:
        """Write exemplars into a file from now on; the values are in shared files already."""
        shared = SharedHistogram(self._child, metric, label_values, file)
        self.observe = shared.observe  # type: ignore[method-assign]

    def observe(self, value: float, trace_id: int | None = None) -> None:
        """Count a value, with an exemplar.

        Args:
            value: In the metric's unit.
            trace_id: For the exemplar; 0 for no exemplar. Without it the current span's, if that
                is sampled.
        """
        trace_id = sampled_trace_id() if trace_id is None else trace_id
        exemplar = {semconv.EXEMPLAR_TRACE_ID: f"{trace_id:032x}"} if trace_id else None
        self._child.observe(value, exemplar)


class Instrument:
    """One metric family and its children."""

    def __init__(
        self, metric: semconv.Metric, registry: CollectorRegistry, file: ExemplarFile | None
    ) -> None:
        self.metric = metric
        self._file = file
        self._family = _make_family(metric, registry)
        self._children: dict[tuple[str, ...], Any] = {}
        if not metric.labels:
            self.labels()

    def labels(self, *label_values: str) -> Any:
        """Return the child with these label values, created at 0 if it is new."""
        child = self._children.get(label_values)
        if child is None:
            child = self._children[label_values] = self._make_child(label_values)
        return child

    def zero(self, label_sets: Iterable[Sequence[str]]) -> None:
        """Create series at 0, before anything is counted."""
        for label_values in label_sets:
            self.labels(*label_values)

    def share(self, file: ExemplarFile) -> None:
        """Write exemplars into a file from now on."""
        self._file = file
        for label_values, child in self._children.items():
            if isinstance(child, HistogramChild):
                child.share(self.metric, label_values, file)

    def _make_child(self, label_values: tuple[str, ...]) -> Any:
        child: Any = self._family.labels(*label_values) if self.metric.labels else self._family
        if self.metric.kind != "histogram":
            return child if self._file is None else SharedChild(child)
        if self._file is None:
            return HistogramChild(child)
        return SharedHistogram(child, self.metric, label_values, self._file)


def _make_family(metric: semconv.Metric, registry: CollectorRegistry) -> MetricWrapperBase:
    name, text, labels = metric.name, metric.description, metric.labels
    if metric.kind == "counter":
        return Counter(name, text, labels, registry=registry)
    if metric.kind == "histogram":
        return Histogram(name, text, labels, registry=registry, buckets=metric.buckets)
    # Only live modes: without them a dead process leaves a gauge, and series get a `pid` label.
    if metric.across == "max":
        return Gauge(name, text, labels, registry=registry, multiprocess_mode="livemax")
    return Gauge(name, text, labels, registry=registry, multiprocess_mode="livesum")


class Metrics:
    """The instruments of this process, each created once."""

    def __init__(self, folder: Path | None) -> None:
        self.registry = CollectorRegistry()
        self._file: ExemplarFile | None = None
        if folder is not None and values.ValueClass is not values.MutexValue:
            use_shared_values(folder)
            self._file = ExemplarFile(folder)
        self._instruments: dict[str, Instrument] = {}

    def share(self, folder: Path) -> None:
        """Move the values of this process into a folder, before it forks; those of apps too."""
        share_values(folder, (REGISTRY, self.registry))
        self._file = ExemplarFile(folder)
        for instrument in self._instruments.values():
            instrument.share(self._file)

    def reopen(self) -> None:
        """Open the files of this process again when they are next used."""
        if self._file is not None:
            SharedValue.store.after_fork()
            self._file.after_fork()

    def counter(self, metric: semconv.Metric) -> Instrument:
        """Return the counter of this name."""
        return self._instrument(metric, "counter")

    def gauge(self, metric: semconv.Metric) -> Instrument:
        """Return the gauge of this name."""
        return self._instrument(metric, "gauge")

    def histogram(self, metric: semconv.Metric) -> Instrument:
        """Return the histogram of this name."""
        return self._instrument(metric, "histogram")

    def _instrument(self, metric: semconv.Metric, kind: semconv.Kind) -> Instrument:
        if metric.kind != kind:
            raise TypeError(f"{metric.name} is a {metric.kind}, not a {kind}")
        instrument = self._instruments.get(metric.name)
        if instrument is None:
            instrument = Instrument(metric, self.registry, self._file)
            self._instruments[metric.name] = instrument
        return instrument


class PoolInstruments:
    """The metrics of a pool of database connections.

    Args:
        metrics: Makes them.
        pool: The `pool` label.
    """

    def __init__(self, metrics: Metrics, pool: str) -> None:
        self.in_use = metrics.gauge(semconv.DB_POOL_IN_USE).labels(pool)
        self.most = metrics.gauge(semconv.DB_POOL_MAX).labels(pool)
        self.waiting = metrics.gauge(semconv.DB_POOL_WAITING).labels(pool)
        self.timeouts = metrics.counter(semconv.DB_POOL_TIMEOUTS).labels(pool)
        self.waits = metrics.histogram(semconv.DB_POOL_WAIT).labels(pool)


class Collector(Protocol):
    """An object that yields metric families when it is scraped."""

    def collect(self) -> Iterable[Family]:
        """Yield families."""


def family(metric: semconv.Metric, samples: Mapping[tuple[str, ...], float]) -> Family:
    """Return a gauge family with these values, by label values."""
    made = GaugeMetricFamily(metric.name, metric.description, labels=metric.labels)
    for label_values, value in samples.items():
        made.add_metric(label_values, value)
    return made


class ScrapeGauge:
    """A gauge that is read when it is scraped, in the process that serves the metrics.

    Args:
        metric: A gauge.
        read: Returns values by label values; while it raises, the series are absent, since a 0
            would look healthy.
    """

    def __init__(
        self, metric: semconv.Metric, read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        self._metric = metric
        self.name = metric.name
        self._read = read
        self.is_failing = False

    def describe(self) -> Iterable[Family]:
        """Return the family without values, so that registering reads nothing."""
        return [family(self._metric, {})]

    def collect(self) -> Iterator[Family]:
        """Yield the family, or nothing while it cannot be read."""
        try:
            samples = self._read()
        except Exception as error:  # noqa: BLE001 - a scrape must not fail for one gauge
            if not self.is_failing:
                _logger.warning("%s cannot be read: %s", self._metric.name, error)
            self.is_failing = True
            return
        self.is_failing = False
        yield family(self._metric, samples)
