"""Sums over the metrics files of several processes, by the keys of prometheus_client's files."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.mmap_dict import MmapedDict

from .exemplars import StoredExemplar, keep_newest, read_exemplars

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_READ_TRIES = 3
_HEADER = 8
# Internal: upstream documents no reader of its files but MultiProcessCollector, which cannot skip
# those of dead processes. https://github.com/prometheus/client_python/issues/443
_entries: Callable[[str], Any] = MmapedDict.read_all_values_from_file


class Key(NamedTuple):
    """A parsed key of prometheus_client's files; only a histogram's bucket has a bound."""

    family: str
    sample: str
    labels: tuple[tuple[str, str], ...]
    bound: float | None
    help: str


@cache
def parse_key(raw: str) -> Key:
    """Parse a key; they recur in each scrape, and there are as many as series."""
    family, sample, labels, text = json.loads(raw)
    bound = labels.pop("le", None) if sample.endswith("_bucket") else None
    pairs = tuple(sorted(labels.items()))
    return Key(family, sample, pairs, None if bound is None else float(bound), text)


class Totals:
    """Values by raw key, for each type of metric."""

    def __init__(self) -> None:
        self.counters: defaultdict[str, float] = defaultdict(float)
        self.histograms: defaultdict[str, float] = defaultdict(float)
        self.summaries: defaultdict[str, float] = defaultdict(float)
        self.gauges: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self.exemplars: dict[str, StoredExemplar] = {}

    def copy(self) -> Totals:
        """Return an independent copy, without gauges."""
        other = Totals()
        other.counters.update(self.counters)
        other.histograms.update(self.histograms)
        other.summaries.update(self.summaries)
        other.exemplars.update(self.exemplars)
        return other

    def add(self, path: Path) -> None:
        """Add the values in a file."""
        kind, _, rest = path.stem.partition("_")
        if kind == "exemplars":
            keep_newest(self.exemplars, read_exemplars(path))
            return
        values = _read(path)
        if kind == "gauge":
            mode = rest.rpartition("_")[0].removesuffix("_kit")
            for key, value, timestamp in values:
                self.gauges.setdefault((mode, key), []).append((value, timestamp))
            return
        into = {"counter": self.counters, "histogram": self.histograms}.get(kind, self.summaries)
        for key, value, _ in values:
            into[key] += value


def _read(path: Path) -> list[tuple[str, float, float]]:
    # Just created and not yet sized: https://github.com/prometheus/client_python/issues/1199
    if path.stat().st_size < _HEADER:
        return []
    for left in reversed(range(_READ_TRIES)):
        try:
            entries = _entries(str(path))
            return [(key, value, timestamp) for key, value, timestamp, _ in entries]
        except (RuntimeError, UnicodeDecodeError):
            # Read while the file grew. A scrape that fails is better than a total that falls.
            if not left:
                raise
    return []
