"""Print the log files of the children, and follow them."""

from __future__ import annotations

import time
from pathlib import Path

import click

from local.state import StateFolder
from local.supervisor.logfiles import last_lines

POLL_SECONDS = 0.2


class Tail:
    """The growing end of one log file.

    Args:
        log: The file; it need not exist yet.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._position = self._size()
        self._rest = ""

    def before(self, count: int) -> list[str]:
        """Return the last lines that were written before this tail was created."""
        return last_lines(self._log, count, end=self._position)

    def new_lines(self) -> list[str]:
        """Return the lines added since; a truncated file is read from its start."""
        size = self._size()
        if size < self._position:
            self._position = 0
        if size == self._position:
            return []
        with self._log.open("rb") as source:
            source.seek(self._position)
            text = source.read().decode(errors="replace")
            self._position = source.tell()
        *lines, self._rest = (self._rest + text).split("\n")
        return lines

    def _size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0


def log_names(state: StateFolder) -> list[str]:
    """Return the names of the processes that have a log file."""
    return sorted(file.stem for file in state.log("any").parent.glob("*.log"))


def show(state: StateFolder, names: list[str], count: int, *, follow: bool) -> None:
    """Print the last lines of log files, each after its process's name if there are several.

    Args:
        state: The state folder.
        names: Processes.
        count: Lines of each.
        follow: Whether to go on with new lines, until interrupted.
    """

    def print_lines(name: str, lines: list[str]) -> None:
        for line in lines:
            click.echo(f"{name:<17}| {line}" if len(names) > 1 else line)

    tails = {name: Tail(state.log(name)) for name in names}
    for name, tail in tails.items():
        print_lines(name, tail.before(count))
    while follow:
        for name, tail in tails.items():
            print_lines(name, tail.new_lines())
        time.sleep(POLL_SECONDS)
