"""Faults of the API: errors without a cause, and memory that is never freed."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from flask import request

from service.faults.switchboard import mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from service.faults.switchboard import Switchboard

# For each worker of the API, whose container may use 512 MB.
LARGEST_LEAK_MB = 192
MEGABYTE = 1024 * 1024


class InjectedError(RuntimeError):
    """A request that failed because the fault error_rate is on."""


class Leak:
    """Memory that grows with time, until it is freed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: list[bytearray] = []
        self._last = clock()

    def grow(self, mb_per_minute: float) -> None:
        """Allocate for the time since the last call; 0 frees everything."""
        now = self._clock()
        if not mb_per_minute:
            self._held.clear()
            self._last = now
            return
        wanted = int((now - self._last) * mb_per_minute / 60)
        if wanted and len(self._held) < LARGEST_LEAK_MB:
            # Written to, since untouched pages cost nothing.
            self._held.extend(bytearray(b"x" * MEGABYTE) for _ in range(wanted))
            self._last = now
            mark("memory_growth", mb_per_minute)


def inject_faults(app: Flask, switchboard: Switchboard) -> None:
    """Make requests to the API fail as the switchboard is set; health checks are left alone."""
    leak = Leak()

    def break_request() -> None:
        faults = switchboard.now()
        leak.grow(faults.memory_growth_mb)
        if not request.path.startswith("/v1/"):
            return
        if faults.error_ratio and random.random() < faults.error_ratio:  # noqa: S311
            mark("error_rate", faults.error_ratio)
            raise InjectedError("fault error_rate")

    app.before_request(break_request)
