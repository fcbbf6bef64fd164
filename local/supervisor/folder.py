"""The state folder: its plan, report, lock and log files, by which processes find each other."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Names the state folder in the environment of every process that belongs to it.
MARKER = "SIGHTLINE_STATE"


@dataclass(frozen=True)
class Folder:
    """Paths below the state folder.

    Args:
        path: The folder; absolute.
    """

    path: Path

    @property
    def plan(self) -> Path:
        """The plan that the supervisor runs."""
        return self.path / "plan.json"

    @property
    def report(self) -> Path:
        """The supervisor's last report about itself and its children."""
        return self.path / "supervisor.json"

    @property
    def lock(self) -> Path:
        """The file that a supervisor locks for as long as it lives."""
        return self.path / "supervisor.lock"

    def log(self, name: str) -> Path:
        """Return the log file of a child, or of the supervisor itself."""
        return self.path / "logs" / f"{name}.log"

    def is_running(self) -> bool:
        """Return whether a supervisor runs the plan of this folder."""
        if not self.lock.exists():
            return False
        with self.lock.open() as handle:
            return not _try_lock(handle.fileno())

    def read_report(self) -> dict[str, Any]:
        """Return the supervisor's last report; empty if there is none."""
        try:
            report: dict[str, Any] = json.loads(self.report.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return report


def take_lock(path: Path) -> int | None:
    """Lock a file for the life of this process; return its descriptor, or None if it is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if _try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.chmod(mode)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
