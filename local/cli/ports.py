"""See before the start whether every port is free, and who has one that is not."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from local.settings import PORTS, LocalSettings
from local.supervisor.processes import all_processes, state_of

HOST = "127.0.0.1"
# Below the ports that Linux gives to outgoing connections (from 32768 on, unless somebody changed
# that): one of those may be gone again before its server binds it.
FREE_PORTS = range(20_000, 32_768)


def free_ports(number: int) -> list[int]:
    """Return so many different ports that nobody has now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(FREE_PORTS, len(FREE_PORTS)):
        if len(found) == number:
            break
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            found.append(port)
    return found


def free_port_variables() -> dict[str, str]:
    """Return an environment that moves every port of the local mode to one that is free now."""
    return {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}


def taken_ports(settings: LocalSettings, variables: Iterable[str] = PORTS) -> list[str]:
    """Return a sentence for each port that cannot be had: which, whose, and what would help.

    Args:
        settings: Which ports are wanted.
        variables: The port variables to look at.
    """
    problems = []
    for variable in variables:
        port = settings.ports[variable]
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
        except PermissionError:
            problems.append(f"port {port} ({variable}) needs root; choose one above 1023")
        except OSError:
            holder = _describe_holder(port, settings.state)
            wants = PORTS[variable][1]
            problems.append(
                f"port {port}, for {wants}, is taken by {holder}. "
                f"{variable} moves it: make up {variable}=…, or a line in .env."
            )
    return problems


def _describe_holder(port: int, state: Path) -> str:
    """Return who listens on a port, and whether `make down` would end it."""
    pid = next(
        (c.pid for c in psutil.net_connections("tcp") if _listens(c, port) and c.pid is not None),
        None,
    )
    process = all_processes().get(pid) if pid is not None else None
    if process is None:
        return "a process that only its user, or root, may look at; `make down` does not end it"
    name = f"process {process.pid} ({process.command[:120]})"
    owner = state_of(process.pid)
    if owner == str(state):
        return f"{name}, left by this local mode: `make down` ends it"
    if owner is not None:
        return f"{name}, of the local mode in {owner}: `make down ORDERS_STATE_DIR={owner}` ends it"
    if "docker-proxy" in process.command:
        return f"{name}, so by a container: `docker compose down` may end it, `make down` does not"
    return f"{name}, which is not ours: `make down` does not end it"


def _listens(connection: object, port: int) -> bool:
    address = getattr(connection, "laddr", ())
    status = getattr(connection, "status", None)
    return address[1:2] == (port,) and status == psutil.CONN_LISTEN
