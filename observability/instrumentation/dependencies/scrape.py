"""What a scrape reads, and what it does without: each collector has a deadline of its own.

A scrape never fails: the series of a collector that fails or is late are absent, and counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily

from .. import semconv
from .background import BackgroundCall

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.metrics_core import Metric as Family

    from ..metrics import Collector

_logger = logging.getLogger(__name__)
LATE, FAILED = semconv.SCRAPE_FAILURE_REASONS


class Scrape:
    """A collector of everything that a process serves.

    Args:
        own: Collectors of files and of this process's memory, which cannot hang; read one after the
            other, at the moment of the scrape.
        collectors: Collectors that ask other programs, read at the same time. Scrapes at the same
            time share what they read.
        seconds: Those that take longer are left out.
    """

    def __init__(
        self, own: Sequence[Collector], collectors: Iterable[Collector], seconds: float
    ) -> None:
        self._own = [_Collection(collector) for collector in own]
        self._others = [_Collection(collector) for collector in collectors]
        self._calls = [BackgroundCall(other) for other in self._others]
        self._seconds = seconds
        self._late: set[str] = set()
        self._failures = _Failures([one.name for one in (*self._own, *self._others)])

    def describe(self) -> list[Family]:
        """Return the families without values of the collectors that describe themselves."""
        describers = [getattr(one.collector, "describe", tuple) for one in self._others]
        return [family for describe in describers for family in describe()]

    def collect(self) -> list[Family]:
        """Return all families that can be read in time."""
        running = [call.begin() for call in self._calls]
        deadline = time.monotonic() + self._seconds
        found: list[Family] = []
        for one in self._own:
            found += self._checked(one, one())
        for one, call in zip(self._others, running, strict=True):
            found += self._checked(one, call.result(deadline))
        return [*found, self._failures.family()]

    def _checked(self, one: _Collection, families: list[Family] | None) -> list[Family]:
        is_late = families is None
        if is_late or one.failed:
            self._failures.count(one.name, LATE if is_late else FAILED)
        if is_late and one.name not in self._late:
            _logger.warning(
                "%s took more than %s s: its series are missing", one.name, self._seconds
            )
        (self._late.add if is_late else self._late.discard)(one.name)
        return families or []


class _Collection:
    """One collector, read without raising."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.name: str = getattr(collector, "name", "") or type(collector).__name__
        self.failed = False

    def __call__(self) -> list[Family]:
        """Return all families of the collector; none if it fails."""
        try:
            families = list(self.collector.collect())
            self.failed = getattr(self.collector, "is_failing", False)
        except Exception:
            if not self.failed:
                _logger.exception("%s failed: its series are missing", self.name)
            self.failed = True
            return []
        return families


class _Failures:
    """How often a scrape did without a collector, by its name and why."""

    def __init__(self, names: Iterable[str]) -> None:
        self._lock = threading.Lock()
        reasons = semconv.SCRAPE_FAILURE_REASONS
        self._counts = Counter({(name, reason): 0 for name in names for reason in reasons})

    def count(self, name: str, reason: str) -> None:
        with self._lock:
            self._counts[name, reason] += 1

    def family(self) -> Family:
        metric = semconv.TELEMETRY_SCRAPE_FAILURES
        made = CounterMetricFamily(metric.name, metric.description, labels=metric.labels)
        with self._lock:
            for label_values, value in self._counts.items():
                made.add_metric(label_values, value)
        return made


class AppMetrics:
    """The metrics that the app itself created, in prometheus_client's default registry.

    Without those that the library adds about the process: they are not there when several
    processes share a folder, so that dashboards cannot rely on them.
    """

    def __init__(self) -> None:
        libraries = (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR)
        self._left_out = {family.name for one in libraries for family in one.collect()}

    def describe(self) -> list[Family]:
        """Return nothing: the app may create more."""
        return []

    def collect(self) -> list[Family]:
        """Return the families of the app."""
        return [family for family in REGISTRY.collect() if family.name not in self._left_out]
