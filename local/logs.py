"""Show the log files of the children, and follow them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from local.logfiles import last_lines
from local.state import StateFolder

POLL_SECONDS = 0.2


def log_names(state: StateFolder) -> list[str]:
    """Return whose log files there are."""
    return sorted(file.stem for file in state.log("any").parent.glob("*.log"))


def show(state: StateFolder, names: list[str], count: int, say: Callable[[str], None]) -> None:
    """Show the last lines of each log; a name stands before each line if there are several."""
    for name in names:
        for line in last_lines(state.log(name), count):
            say(_labelled(name, line, names))


def follow(state: StateFolder, names: list[str], say: Callable[[str], None]) -> None:
    """Show what is written from now on, until interrupted."""
    tails = {name: _new_lines(state.log(name)) for name in names}
    while True:
        for name, tail in tails.items():
            for line in next(tail):
                say(_labelled(name, line, names))
        time.sleep(POLL_SECONDS)


def _new_lines(log: Path) -> Iterator[list[str]]:
    """Yield the lines written since the last time; a shortened file is read from its start."""
    position = log.stat().st_size if log.exists() else 0
    rest = ""
    while True:
        text = ""
        if log.exists():
            with log.open("rb") as source:
                if log.stat().st_size < position:
                    position = 0
                source.seek(position)
                text = source.read().decode(errors="replace")
                position = source.tell()
        *lines, rest = (rest + text).split("\n")
        yield lines


def _labelled(name: str, line: str, names: list[str]) -> str:
    return f"{name:<17}| {line}" if len(names) > 1 else line
