"""What a supervisor runs: children, what they need, and how one sees that they are ready.

Knows nothing of orders: a plan is data, written to the state folder by whoever builds it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from local.state import write_whole

ProbeKind = Literal["alive", "tcp", "http", "redis", "postgres", "command"]


class PlanError(ValueError):
    """Raised when a plan cannot be run."""


@dataclass(frozen=True)
class Probe:
    """How one sees that a child is ready.

    Args:
        kind: `alive` is content with a running process; the others ask it.
        port: Loopback port of those that speak over TCP.
        path: What `http` asks for; 200 is yes.
        command: What `command` runs; exit 0 is yes.
        password_file: What `redis` says first.
    """

    kind: ProbeKind = "alive"
    port: int = 0
    path: str = "/"
    command: tuple[str, ...] = ()
    password_file: str | None = None


@dataclass(frozen=True)
class Child:
    """One program of the plan.

    Args:
        name: Its name in the status, and its log file's.
        command: Program and arguments.
        needs: Children that must be ready before it starts; they are stopped after it.
        environment: Variables on top of the supervisor's own.
        probe: How one sees that it is ready.
        once: Whether it is to end by itself with exit 0, and be done.
        stop_signal: The signal that asks it to end, also sent when the supervisor dies.
        grace_seconds: How long it may take to end before it is killed.
        ready_seconds: How long it may take to be ready for the first time.
        address: Where people find it.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: Probe = Probe()
    once: bool = False
    stop_signal: int = signal.SIGTERM
    grace_seconds: float = 10
    ready_seconds: float = 60
    address: str = ""


@dataclass(frozen=True)
class Plan:
    """The children in the order in which people read them.

    Raises:
        PlanError: A need is unknown, or the needs go round in a circle.
    """

    children: tuple[Child, ...]

    def __post_init__(self) -> None:
        needs = {child.name: set(child.needs) for child in self.children}
        unknown = set().union(*needs.values()) - set(needs)
        if unknown:
            raise PlanError(f"nobody is called {', '.join(sorted(unknown))}")
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            raise PlanError(f"needs in a circle: {' -> '.join(error.args[1])}") from error

    def dependents(self, name: str) -> list[str]:
        """Return the names of the children that need this one."""
        return [child.name for child in self.children if name in child.needs]

    def save(self, path: Path) -> None:
        """Write the plan as JSON."""
        write_whole(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read a plan that `save` wrote."""
        data = json.loads(path.read_text())
        return cls(tuple(_child(**values) for values in data["children"]))


def _child(**values: Any) -> Child:
    probe = values.pop("probe")
    probe["command"] = tuple(probe["command"])
    for name in ("command", "needs"):
        values[name] = tuple(values[name])
    return Child(probe=Probe(**probe), **values)
