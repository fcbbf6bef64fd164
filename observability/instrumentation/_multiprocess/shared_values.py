"""Metric values in prometheus_client's files, at a third of the cost of its own value class.

prometheus_client asks for the process id at each count, to notice a fork, and looks up each
value's position in the file by its key. Here the system announces a fork, and a value keeps its
position. The files have the same format, so that everything that reads them still works.
"""

from __future__ import annotations

import os
import threading
from struct import Struct
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge, Histogram, Summary, values
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from .forking import call_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from prometheus_client import CollectorRegistry

_pack = Struct("dd").pack
# Internal: upstream documents no writer of its files. Custom value classes are proposed in
# https://github.com/prometheus/client_python/pull/1158.
_open_file: Callable[[str], Any] = MmapedDict
_key_of: Callable[..., str] = mmap_key


class SharedStore:
    """The files of this process and the values in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Any] = {}
        self._values: list[SharedValue] = []
        self.after_fork()
        call_in_children(self)

    def after_fork(self) -> None:
        """Forget the parent's files; each value is given a new position when it is next used."""
        self.lock = threading.Lock()
        self._files = {}
        for value in self._values:
            value.position = 0

    def add(self, value: SharedValue) -> None:
        """Add a new value to its file, at 0 or at what the file already holds for its key."""
        with self.lock:
            self._values.append(value)
            self.locate(value)

    def locate(self, value: SharedValue) -> None:
        """Find a value's position in this process's file; the lock must be held."""
        prefix = value.file_prefix
        file = self._files.get(prefix)
        if file is None:
            # Not the file of prometheus_client's own values: two writers would overwrite each
            # other's new keys.
            path = self._folder / f"{prefix}_kit_{os.getpid()}.db"
            file = self._files[prefix] = _open_file(str(path))
        value.file = file
        value.current, _ = file.read_value(value.key)
        # Private, as is `_m` below: upstream's `write_value` looks up the position on each call.
        # The position stays when the file grows; the map does not.
        value.position = file._positions[value.key]


class SharedValue:
    """One float, with the interface of prometheus_client's value classes."""

    _multiprocess = True
    store: SharedStore

    def __init__(  # noqa: PLR0917 - prometheus_client's signature
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> None:
        self.file_prefix = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        self.key = _key_of(metric_name, name, labelnames, labelvalues, help_text)
        self.file: Any = None
        self.current = 0.0
        self.position = 0
        self.store.add(self)

    def inc(self, amount: float = 1.0) -> None:
        """Add to the value."""
        store = self.store
        with store.lock:
            position = self.position
            if not position:
                store.locate(self)
                position = self.position
            self.current = value = self.current + amount
            self.file._m[position : position + 16] = _pack(value, 0.0)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value."""
        with self.store.lock:
            if not self.position:
                self.store.locate(self)
            self.current = value
            position = self.position
            self.file._m[position : position + 16] = _pack(value, timestamp or 0.0)

    def get(self) -> float:
        """Return the value in this process."""
        with self.store.lock:
            if not self.position:
                self.store.locate(self)
            return self.current

    def set_exemplar(self, exemplar: Any) -> None:
        """Do nothing: exemplars have a file of their own."""

    def get_exemplar(self) -> None:
        """Return None: exemplars have a file of their own."""


class SharedChild:
    """One label set of a counter or gauge in shared files."""

    def __init__(self, child: Any) -> None:
        # Private: upstream's `inc` and `set` check labels and locks first, on each call.
        self.inc: Callable[..., None] = child._value.inc
        self.set: Callable[[float], None] = child._value.set

    def dec(self, amount: float = 1.0) -> None:
        """Subtract from the value."""
        self.inc(-amount)


def use_shared_values(folder: Path) -> None:
    """Make metrics created from now on keep their values in the folder; once per process."""
    if values.ValueClass is SharedValue:
        return
    SharedValue.store = SharedStore(folder)
    # Upstream has no setting yet: https://github.com/prometheus/client_python/pull/1158
    values.ValueClass = SharedValue


def share_values(folder: Path, registries: Iterable[CollectorRegistry]) -> None:
    """Move existing metrics, and those created from now on, into the files of a folder.

    For a process that is about to fork and has metrics already: prometheus_client decides where
    values are kept when it is imported.
    """
    use_shared_values(folder)
    for registry in registries:
        # Private: upstream has no list of a registry's metrics.
        for metric in list(registry._collector_to_names):
            if isinstance(metric, (Counter, Gauge, Histogram, Summary)):
                _move(metric)


def _move(metric: Any) -> None:
    """Keep a metric's values, those of its children included, in the files of this process."""
    # Private, as are the names in `_values_of`: upstream creates values in `_metric_init` only.
    for child in list(getattr(metric, "_metrics", {}).values()):
        _move(child)
    if metric._is_parent() or isinstance(_values_of(metric)[0], SharedValue):
        return
    before = [value.get() for value in _values_of(metric)]
    metric._metric_init()
    for value, amount in zip(_values_of(metric), before, strict=True):
        if amount:
            value.inc(amount)


def _values_of(metric: Any) -> list[Any]:
    if isinstance(metric, Histogram):
        return [metric._sum, *metric._buckets]
    return [metric._count, metric._sum] if isinstance(metric, Summary) else [metric._value]
