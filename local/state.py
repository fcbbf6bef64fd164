"""The local mode's state folder: the supervisor's files, and those of the servers beside them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.supervisor.folder import Folder


class StateFolder(Folder):
    """The paths of all files that the local mode writes."""

    @property
    def load(self) -> Path:
        """The rate of the load generator."""
        return self.path / "load.json"

    @property
    def faults(self) -> Path:
        """The fault switchboard."""
        return self.path / "faults.json"

    def secret(self, name: str) -> Path:
        """Return the file of a password."""
        return self.path / "secrets" / name

    @contextmanager
    def exclusively(self, name: str) -> Iterator[None]:
        """Hold a lock of this name; other processes wait for it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / f"{name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
