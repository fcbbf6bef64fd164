"""The newest exemplar of each histogram bucket, in a file that other processes can read.

prometheus_client drops exemplars when metrics are shared through files:
https://github.com/prometheus/client_python/issues/826. Here each process has one more file: an
append-only list of buckets, each with a slot that is overwritten. A bucket has the same key as in
prometheus_client's file.

File: u32 bytes used, 4 bytes padding; then per bucket u32 length of the key, the key, padding to a
multiple of 8, and the slot: 16 bytes trace id, value, Unix time, CRC-32 of those, 4 bytes padding.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from .forking import call_in_children

if TYPE_CHECKING:
    from pathlib import Path

_pack = struct.Struct("<16sdd").pack
_slot = struct.Struct("<16sddI4x")
_length = struct.Struct("<I")
_EMPTY = bytes(_slot.size)
_HEADER = 8
_FIRST_SIZE = 1 << 15
# About 8,000 buckets; more of them get no exemplars.
MAX_SIZE = 1 << 21


class StoredExemplar(NamedTuple):
    """An exemplar read from a file."""

    trace_id: str
    value: float
    timestamp: float


class ExemplarFile:
    """The exemplars of this process; slots are valid while `epoch` stays the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.epoch = 0
        self._map: mmap.mmap | None = None
        self._slots: dict[str, int] = {}
        self._lock = threading.Lock()
        call_in_children(self)

    def after_fork(self) -> None:
        """Forget the parent's file."""
        self.epoch += 1
        self._map = None
        self._slots = {}
        self._lock = threading.Lock()

    def slot(self, key: str) -> int:
        """Return the place of a bucket's exemplar, or 0 when the file is full."""
        with self._lock:
            place = self._slots.get(key)
            if place is None:
                place = self._slots[key] = self._append(key.encode())
        return place

    def put(self, place: int, trace_id: int, value: float, timestamp: float) -> None:
        """Overwrite the exemplar in a slot."""
        if place and self._map is not None:
            body = _pack(trace_id.to_bytes(16, "big"), value, timestamp)
            # One assignment, so that a reader sees the old or the new; the CRC detects a mixture.
            self._map[place : place + 36] = body + _length.pack(crc32(body))

    def _append(self, key: bytes) -> int:
        view = self._map or self._open()
        used: int = _length.unpack_from(view, 0)[0]
        padded = _length.pack(len(key)) + key + bytes(-(len(key) + 4) % 8)
        end = used + len(padded) + _slot.size
        if end > MAX_SIZE:
            return 0
        if end > len(view):
            view.resize(min(len(view) * 2, MAX_SIZE))
        view[used:end] = padded + _EMPTY
        view[0:4] = _length.pack(end)
        return end - _slot.size

    def _open(self) -> mmap.mmap:
        path = self._folder / f"exemplars_{os.getpid()}.bin"
        # A mapped file must never shrink: access beyond its end kills the process.
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.ftruncate(descriptor, _FIRST_SIZE)
            self._map = mmap.mmap(descriptor, _FIRST_SIZE)
        finally:
            os.close(descriptor)
        self._map[0:4] = _length.pack(_HEADER)
        return self._map


def read_exemplars(path: Path) -> dict[str, StoredExemplar]:
    """Return a process's exemplars by bucket, without those that are being written."""
    data = path.read_bytes()
    found: dict[str, StoredExemplar] = {}
    if len(data) < _HEADER:
        return found
    used = min(_length.unpack_from(data, 0)[0], len(data))
    position = _HEADER
    while position + 4 < used:
        length = _length.unpack_from(data, position)[0]
        key_end = position + 4 + length
        position = key_end + -(length + 4) % 8 + _slot.size
        if position > used:
            break
        trace_id, value, timestamp, check = _slot.unpack_from(data, position - _slot.size)
        if timestamp and check == crc32(_pack(trace_id, value, timestamp)):
            key = data[key_end - length : key_end].decode()
            found[key] = StoredExemplar(trace_id.hex(), value, timestamp)
    return found


def keep_newest(into: dict[str, StoredExemplar], more: dict[str, StoredExemplar]) -> None:
    """Add exemplars to `into`; of two for one bucket the newer one stays."""
    for key, exemplar in more.items():
        known = into.get(key)
        if known is None or known.timestamp < exemplar.timestamp:
            into[key] = exemplar
