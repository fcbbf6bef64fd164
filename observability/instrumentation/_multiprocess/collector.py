"""One exposition of the metrics of all processes that share a folder, dead ones included.

prometheus_client keeps a dead process's counters in its files, since a total must not fall; with
recycled workers the folder grows and scrapes slow down. Here the main process, which serves the
scrapes, adds the files of dead processes to an archive in its memory and deletes them.
https://github.com/prometheus/client_python/issues/443
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from .histograms import histogram_families
from .liveness import is_alive, writer_of
from .totals import Totals, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_collectors: dict[Path, FamilyCollector] = {}


class FamilyCollector:
    """A collector of the metrics of all processes that share a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive = Totals()
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Family]:
        """Return nothing: the names are known only when the files are read."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield each family once, with its exemplars."""
        with self._lock:
            totals = self._totals()
        yield from _families(totals)
        yield from histogram_families(totals)

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
            pid = writer_of(path)
            if pid is not None:
                by_pid.setdefault(pid, []).append(path)
        return by_pid

    def _fold(self, by_pid: dict[int, list[Path]]) -> list[Path]:
        """Archive the files of dead processes; return the files of the others."""
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


def family_collector(folder: Path) -> FamilyCollector:
    """Return the only collector of a folder: two would delete files that the other needs."""
    return _collectors.setdefault(folder, FamilyCollector(folder))


def _families(totals: Totals) -> Iterator[Family]:
    """Yield counters, summaries and gauges."""
    families: dict[str, Family] = {}
    for raw, value in totals.counters.items():
        _add(families, "counter", raw, value)
    for raw, value in totals.summaries.items():
        _add(families, "summary", raw, value)
    for (mode, raw), written in totals.gauges.items():
        _add(families, "gauge", raw, _across(mode, written))
    yield from families.values()


def _add(families: dict[str, Family], kind: str, raw: str, value: float) -> None:
    key = parse_key(raw)
    family = families.get(key.family)
    if family is None:
        family = families[key.family] = Family(key.family, key.help, kind)
    family.samples.append(Sample(key.sample, dict(key.labels), value))


def _across(mode: str, written: list[tuple[float, float]]) -> float:
    """Combine a gauge's values of several processes, by its multiprocess mode."""
    if mode.endswith("max"):
        return max(written)[0]
    if mode.endswith("min"):
        return min(written)[0]
    if mode.endswith("mostrecent"):
        return max(written, key=lambda pair: pair[1])[0]
    return sum(value for value, _ in written)
