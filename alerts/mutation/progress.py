"""Progress: a bar on a terminal, a line every half minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")
WIDTH = 40
EVERY = 30.0


def progress(items: Iterable[T], total: int, out: TextIO = sys.stderr) -> Iterator[T]:
    """Yield items and show how many are done."""
    started = shown = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        left = (now - started) / done * (total - done)
        if out.isatty():
            bar = "#" * round(WIDTH * done / total)
            out.write(f"\r[{bar:<{WIDTH}}] {done}/{total}, {left:.0f} s left  ")
        elif now - shown > EVERY:
            shown = now
            out.write(f"{done}/{total} mutants, about {left:.0f} s left\n")
        out.flush()
    if out.isatty():
        out.write("\n")
