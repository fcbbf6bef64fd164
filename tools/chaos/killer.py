"""Kill random processes of a running local system with SIGKILL, reproducibly by seed."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable

import psutil

Status = Callable[[], dict[str, int | None]]

# The supervised process, and whether a child process is killed instead of it.
TARGETS = {
    "service worker": ("orders", True),
    "celery child": ("orders-worker", True),
    "celery parent": ("orders-worker", False),
    "relay": ("orders-relay", False),
    "broker": ("broker", False),
    "postgres": ("postgres", False),
}


class Killer:
    """Choose a victim and kill it.

    Args:
        status: Returns the main process of each supervised program.
        dice: Chooses; every kind is killed once before any is killed again.
    """

    def __init__(self, status: Status, dice: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self._status = status
        self._dice = dice
        self._next: list[str] = []

    def kill(self) -> str | None:
        """Kill one running process; return its kind, or None if none is running."""
        pids = self._status()
        if not self._next:
            self._next = self._dice.sample(sorted(TARGETS), len(TARGETS))
        for kind in list(self._next):
            name, child = TARGETS[kind]
            if (pid := pids.get(name)) and self._kill(pid, child):
                self._next.remove(kind)
                self.kills[kind] += 1
                return kind
        return None

    def _kill(self, pid: int, child: bool) -> bool:
        try:
            victim = psutil.Process(pid)
            if child:
                victim = self._dice.choice(sorted(victim.children(), key=lambda one: one.pid))
            victim.send_signal(signal.SIGKILL)
        except (psutil.Error, IndexError):
            return False
        return True
