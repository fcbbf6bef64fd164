"""Store metric values in prometheus_client's files, for a third of its price.

prometheus_client asks for the process id at every count, to notice a fork, and looks each value's
place up by its key. Here a fork is announced by the system, and a value remembers its place. The
files are the same, so everything that reads them goes on working.
"""

from __future__ import annotations

import os
import threading
from struct import Struct
from typing import TYPE_CHECKING, Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from .forking import call_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_pack = Struct("dd").pack
_open_file: Callable[[str], Any] = MmapedDict
_key_of: Callable[..., str] = mmap_key


class SharedStore:
    """This process's files, and the values that live in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Any] = {}
        self._values: list[SharedValue] = []
        self.after_fork()
        call_in_children(self)

    def after_fork(self) -> None:
        """Leave the parent's files to the parent; values find their new places when needed."""
        self.lock = threading.Lock()
        self._files = {}
        for value in self._values:
            value.place = 0

    def add(self, value: SharedValue) -> None:
        """Give a new value its place, at 0 or where a file of this process already has it."""
        with self.lock:
            self._values.append(value)
            self.settle(value)

    def settle(self, value: SharedValue) -> None:
        """Find a value's place in this process's file; the lock must be held."""
        prefix = value.file_prefix
        file = self._files.get(prefix)
        if file is None:
            # Its own files: two writers of one file would overwrite each other's new keys.
            path = self._folder / f"{prefix}_kit_{os.getpid()}.db"
            file = self._files[prefix] = _open_file(str(path))
        value.file = file
        value.current, _ = file.read_value(value.key)
        # The place behind the key; it stays when the file grows, the map does not.
        value.place = file._positions[value.key]


class SharedValue:
    """One float, as prometheus_client's metrics use it."""

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
        self.place = 0
        self.store.add(self)

    def inc(self, amount: float = 1.0) -> None:
        """Add to the value."""
        store = self.store
        with store.lock:
            place = self.place
            if not place:
                store.settle(self)
                place = self.place
            self.current = value = self.current + amount
            self.file._m[place : place + 16] = _pack(value, 0.0)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value."""
        with self.store.lock:
            if not self.place:
                self.store.settle(self)
            self.current = value
            place = self.place
            self.file._m[place : place + 16] = _pack(value, timestamp or 0.0)

    def get(self) -> float:
        """Return the value in this process."""
        with self.store.lock:
            if not self.place:
                self.store.settle(self)
            return self.current

    def set_exemplar(self, exemplar: Any) -> None:
        """Keep nothing: exemplars have a file of their own."""

    def get_exemplar(self) -> None:
        """Return nothing."""


def use_shared_values(folder: Path) -> None:
    """Make metrics that are created from now on store their values here, once per process."""
    if values.ValueClass is SharedValue:
        return
    SharedValue.store = SharedStore(folder)
    values.ValueClass = SharedValue
