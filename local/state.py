"""The local mode's state folder: the supervisor's files, and those of the servers beside them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.supervisor.folder import Folder, write_atomically


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

    @property
    def alertmanager(self) -> Path:
        """The folder of Alertmanager's configuration, templates and secrets."""
        return self.path / "alertmanager.d"

    @property
    def web_config(self) -> Path:
        """The file by which Prometheus and Alertmanager ask for their password."""
        return self.path / "web.yml"

    def secret(self, name: str) -> Path:
        """Return the file of a password."""
        return self.path / "secrets" / name

    def create(self) -> None:
        """Create the folder, for this user only, and check that it can be written.

        Raises:
            OSError: It is a file, belongs to another user, is read-only, or there is no room.
        """
        self.path.mkdir(0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        write_atomically(self.path / "writable", "x" * 4096)
        (self.path / "writable").unlink()

    @contextmanager
    def exclusively(self, name: str) -> Iterator[None]:
        """Hold a lock of this name; other processes wait for it."""
        with (self.path / f"{name}.lock").open("a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            try:
                yield
            finally:
                handle.truncate(0)

    def holder(self, name: str) -> int | None:
        """Return the process that holds a lock of this name, or None."""
        try:
            with (self.path / f"{name}.lock").open() as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(handle.read() or 0) or None
        except FileNotFoundError:
            pass
        return None
