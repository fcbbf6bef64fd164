"""Add up the metrics of a family of processes, the dead ones included.

prometheus_client leaves a dead process's counters in its files for ever, since a total must not go
backwards; with recycled workers the folder grows and scrapes slow down. Here the dead are added to
one archive in the memory of the parent that serves the scrape, and their files deleted.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from .. import semconv
from .liveness import is_alive
from .totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .exemplars import StoredExemplar

_collectors: dict[Path, FamilyCollector] = {}
_bound_text: Callable[[float], str] = floatToGoString


class Key(NamedTuple):
    """A key of prometheus_client's files, parsed."""

    family: str
    sample: str
    labels: tuple[tuple[str, str], ...]
    bound: float | None
    help: str


class FamilyCollector:
    """Collect the metrics of all processes that share a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive = Totals()
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}

    def describe(self) -> Iterable[Family]:
        """Return nothing: the names are known only when files are read."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield every family once, exemplars attached."""
        with self._lock:
            totals = self._totals()
        yield from self._families(totals)

    def fold_dead(self) -> None:
        """Add the files of dead processes to the archive and delete them."""
        with self._lock:
            self._fold(self._files())

    def _totals(self) -> Totals:
        live = self._fold(self._files())
        totals = self._archive.copy()
        for path in live:
            try:
                totals.add(path)
            except FileNotFoundError:
                continue
        return totals

    def _files(self) -> dict[int, list[Path]]:
        by_pid: dict[int, list[Path]] = {}
        for path in self._folder.iterdir():
            pid = path.stem.rpartition("_")[2]
            if path.suffix in (".db", ".bin", ".alive") and pid.isdigit():
                by_pid.setdefault(int(pid), []).append(path)
        return by_pid

    def _fold(self, by_pid: dict[int, list[Path]]) -> list[Path]:
        live: list[Path] = []
        for pid, paths in by_pid.items():
            if is_alive(self._folder, pid):
                live += [path for path in paths if path.suffix != ".alive"]
                continue
            for path in paths:
                if path.suffix != ".alive" and not path.name.startswith("gauge_"):
                    self._archive.add(path)
                path.unlink(missing_ok=True)
        return live

    def _families(self, totals: Totals) -> Iterator[Family]:
        families: dict[str, Family] = {}
        for raw, value in totals.counters.items():
            self._add(families, "counter", raw, value)
        for raw, value in totals.summaries.items():
            self._add(families, "summary", raw, value)
        for (mode, raw), written in totals.gauges.items():
            self._add(families, "gauge", raw, _across(mode, written))
        yield from families.values()
        yield from self._histograms(totals)

    def _add(self, families: dict[str, Family], kind: str, raw: str, value: float) -> None:
        key = self._parse(raw)
        made = families.get(key.family)
        if made is None:
            made = families[key.family] = Family(key.family, key.help, kind)
        made.samples.append(Sample(key.sample, dict(key.labels), value))

    def _histograms(self, totals: Totals) -> Iterator[Family]:
        sums: list[tuple[Key, float]] = []
        buckets: defaultdict[tuple[str, Any], list[tuple[float, float, str]]] = defaultdict(list)
        for raw, value in totals.histograms.items():
            key = self._parse(raw)
            if key.bound is not None:
                buckets[key.family, key.labels].append((key.bound, value, raw))
            elif key.sample.endswith("_sum"):
                sums.append((key, value))
        families: dict[str, Family] = {}
        for key, total in sums:
            made = families.get(key.family)
            if made is None:
                made = families[key.family] = Family(key.family, key.help, "histogram")
            _add_histogram(made, key, buckets[key.family, key.labels], total, totals.exemplars)
        yield from families.values()

    def _parse(self, raw: str) -> Key:
        key = self._keys.get(raw)
        if key is None:
            family, sample, labels, text = json.loads(raw)
            bound = labels.pop("le", None) if sample.endswith("_bucket") else None
            pairs = tuple(sorted(labels.items()))
            key = Key(family, sample, pairs, None if bound is None else float(bound), text)
            self._keys[raw] = key
        return key


def family_collector(folder: Path) -> FamilyCollector:
    """Return the one collector of a folder: two archives would lose what the other deleted."""
    return _collectors.setdefault(folder, FamilyCollector(folder))


def _across(mode: str, written: list[tuple[float, float]]) -> float:
    if mode.endswith("max"):
        return max(written)[0]
    if mode.endswith("min"):
        return min(written)[0]
    if mode.endswith("mostrecent"):
        return max(written, key=lambda pair: pair[1])[0]
    return sum(value for value, _ in written)


def _add_histogram(
    made: Family,
    key: Key,
    buckets: list[tuple[float, float, str]],
    total: float,
    exemplars: dict[str, StoredExemplar],
) -> None:
    labels = dict(key.labels)
    count = 0.0
    for bound, value, raw in sorted(buckets):
        count += value
        stored = exemplars.get(raw)
        made.samples.append(
            Sample(
                f"{key.family}_bucket",
                {**labels, "le": _bound_text(bound)},
                count,
                None,
                None if stored is None else _exemplar(stored),
            )
        )
    made.samples.append(Sample(f"{key.family}_count", labels, count))
    made.samples.append(Sample(f"{key.family}_sum", labels, total))


def _exemplar(stored: StoredExemplar) -> Exemplar:
    return Exemplar({semconv.EXEMPLAR_TRACE_ID: stored.trace_id}, stored.value, stored.timestamp)
