"""Track which processes that share a metrics folder are alive, by locks on files in it.

A process is alive while it holds the lock on its `<pid>.alive` file. The system releases the lock
however the process ends, so neither a reused pid nor a zombie counts as alive.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from ..settings import SettingsError

_MAPS = Path("/proc/self/maps")
# Files of one process: of metrics, prometheus_client's and this kit's, of exemplars, and its lock.
_OF_PROCESS = re.compile(
    r"(?:(?:counter|gauge_[a-z]+|histogram|summary|info|enum)(?:_kit)?_(\d+)\.db"
    r"|exemplars_(\d+)\.bin|(\d+)\.alive)"
)
# Files of all processes: of a receiver that hangs, and of `is_first`.
_SHARED = re.compile(r"receiver\.hangs|first-[a-z-]+\.once")
_held: dict[Path, int] = {}


def claim(folder: Path) -> None:
    """Reserve a folder for this process and its children, and empty it; once per process.

    Only files of metrics are deleted: the folder may hold others, as /tmp does.

    Files that this process has already mapped stay: an app may count before it is known that its
    process is the main one. So do those of live processes that share the folder, as beat may.

    Raises:
        SettingsError: when it cannot be written, or another live process has reserved it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        owner = folder / "owner.lock"
        if owner in _held and _held[owner] == os.getpid():
            return
        if not _lock(owner, owner):
            raise _bad(folder, "a folder that no other running process uses")
        kept = _in_use(folder) | _of_others(folder)
        for path in folder.iterdir():
            ours = writer_of(path) is not None or _SHARED.fullmatch(path.name)
            if ours and path.name not in kept:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise _bad(folder, f"a folder that can be written ({error.strerror})") from error


def writer_of(path: Path) -> int | None:
    """Return the pid of the process that wrote a file of metrics; None for any other file."""
    found = _OF_PROCESS.fullmatch(path.name)
    return int(found[found.lastindex or 0]) if found else None


def is_claimed(folder: Path) -> bool:
    """Return whether this process, or one that it was forked from, has reserved the folder."""
    return folder / "owner.lock" in _held


def _in_use(folder: Path) -> set[str]:
    """Return the names of the files that this process has mapped or locked."""
    mine = [path.name for path in folder.iterdir() if path.stem.endswith(f"_{os.getpid()}")]
    locked = {path.name for path, pid in _held.items() if pid == os.getpid()}
    try:
        mapped = _MAPS.read_text(errors="replace")
    except OSError:  # a system without /proc
        return locked.union(mine)
    return locked.union(name for name in mine if f"{folder.resolve() / name}\n" in mapped)


def _of_others(folder: Path) -> set[str]:
    """Return the names of the files of other processes that are alive."""
    # Not of this one: closing its own file would release its lock.
    marks = [path for path in folder.glob("*.alive") if path.stem != str(os.getpid())]
    alive = {path.stem for path in marks if _is_locked(path)}
    return {path.name for path in folder.iterdir() if path.stem.rpartition("_")[2] in alive}


def _bad(folder: Path, expected: str) -> SettingsError:
    return SettingsError([f"PROMETHEUS_MULTIPROC_DIR={str(folder)!r}: expected {expected}"])


def release(folder: Path) -> None:
    """Forget the lock of this process on its file, which closing all descriptors has released."""
    _held.pop(folder / f"{os.getpid()}.alive", None)


def is_first(folder: Path | None, what: str) -> bool:
    """Return whether this process is the first to ask, of those that share the folder.

    `what` is small letters and hyphens: it is part of a file's name.
    """
    if folder is None:
        return True
    try:
        os.close(os.open(folder / f"first-{what}.once", os.O_CREAT | os.O_EXCL, 0o644))
    except OSError:
        return False
    return True


def mark_alive(folder: Path) -> None:
    """Mark this process as a live one that writes metrics; remove gauges of a reused pid.

    The folder is made if it is missing: a command or a test may start before the main process.

    Raises:
        SettingsError: when it cannot be written.
    """
    path = folder / f"{os.getpid()}.alive"
    if _held.get(path) == os.getpid():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if gauges := list(folder.glob(f"gauge_*_{os.getpid()}.db")):
            kept = _in_use(folder)
            for stale in gauges:
                if stale.name not in kept:
                    stale.unlink(missing_ok=True)
        # Locked before it gets its name, so that no other process finds it unlocked.
        unnamed = folder / f"{os.getpid()}.starting"
        if _lock(unnamed, path):
            unnamed.rename(path)
    except OSError as error:
        raise _bad(folder, f"a folder that can be written ({error.strerror})") from error


def _lock(path: Path, name: Path) -> bool:
    """Lock a file until this process ends; child processes do not inherit a POSIX lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _held[name] = os.getpid()
    return True


def is_alive(folder: Path, pid: int) -> bool:
    """Return whether the process that wrote the files of this pid is still running."""
    if pid == os.getpid():
        return True
    try:
        return _is_locked(folder / f"{pid}.alive")
    except FileNotFoundError:
        return _exists(pid)


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
