"""The plan of a supervisor: children, their needs, and the probes that find them ready.

A plan is data: another process writes it to the state folder, and the supervisor reads it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from .folder import write_atomically

ProbeKind = Literal["alive", "tcp", "http", "redis", "postgres", "command"]


class PlanError(ValueError):
    """A plan that cannot be run."""


@dataclass(frozen=True)
class Probe:
    """The check that a child is ready.

    Args:
        kind: `alive` needs only a running process; the others send it a request.
        port: Loopback port, for the kinds that connect over TCP.
        path: Path that `http` requests; status 200 is ready.
        command: Command that `command` runs; exit code 0 is ready.
        user: The name that `http` sends with the password, in basic authentication.
        password_file: File with the password that `redis` and `http` send first.
    """

    kind: ProbeKind = "alive"
    port: int = 0
    path: str = "/"
    command: tuple[str, ...] = ()
    user: str = ""
    password_file: str | None = None


@dataclass(frozen=True)
class Child:
    """One program of the plan.

    Args:
        name: Its name in the status and of its log file.
        command: Program and arguments.
        needs: Children that must be ready before it starts; they stop after it.
        environment: Variables on top of the supervisor's own.
        probe: The check that it is ready.
        live: The check, repeated for as long as it runs, that it still works; without one, only its
            end is noticed. It must not depend on other children.
        live_seconds: How long it may leave that check unanswered before it is restarted.
        once: Whether it ends by itself with exit code 0, and is then done.
        stop_signal: The signal that asks it to end, also sent when the supervisor dies.
        grace_seconds: How long it may take to end before it is killed.
        ready_seconds: How long it may take to be ready for the first time.
        address: Host and port shown in the status.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: Probe = Probe()
    live: Probe | None = None
    live_seconds: float = 60
    once: bool = False
    stop_signal: int = signal.SIGTERM
    grace_seconds: float = 10
    ready_seconds: float = 60
    address: str = ""


@dataclass(frozen=True)
class Plan:
    """The children of a supervisor, in the order of the status table.

    Raises:
        PlanError: A need is unknown, or the needs form a circle.
    """

    children: tuple[Child, ...]

    def __post_init__(self) -> None:
        needs = {child.name: set(child.needs) for child in self.children}
        unknown = set().union(*needs.values()) - set(needs)
        if unknown:
            raise PlanError(f"unknown needs: {', '.join(sorted(unknown))}")
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            raise PlanError(f"needs form a circle: {' -> '.join(error.args[1])}") from error

    def dependents(self, name: str) -> list[str]:
        """Return the names of the children that need this one."""
        return [child.name for child in self.children if name in child.needs]

    def save(self, path: Path) -> None:
        """Write the plan as JSON."""
        write_atomically(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read a plan that `save` wrote."""
        data = json.loads(path.read_text())
        return cls(tuple(_child(**values) for values in data["children"]))


def _child(**values: Any) -> Child:
    for name in ("command", "needs"):
        values[name] = tuple(values[name])
    for name in ("probe", "live"):
        values[name] = values[name] and _probe(**values[name])
    return Child(**values)


def _probe(**values: Any) -> Probe:
    return Probe(**values | {"command": tuple(values["command"])})
