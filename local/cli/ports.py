"""Check before a start that every port is free, and name the process that holds one."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from local.settings import PORTS, LocalSettings
from local.supervisor.processes import all_processes, state_of

HOST = "127.0.0.1"


def taken_ports(settings: LocalSettings, variables: Iterable[str] = PORTS) -> list[str]:
    """Return a sentence for each taken port: the process that holds it, and what would help.

    Args:
        settings: The ports.
        variables: Port variables to check.
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
            problems.append(
                f"port {port}, for {PORTS[variable][1]}, is taken by {holder}. "
                f"{variable} moves it: make up {variable}=…, or a line in .env."
            )
    return problems


def _describe_holder(port: int, state: Path) -> str:
    """Return which process listens on a port, and whether `make down` would end it."""
    pid = next(
        (c.pid for c in psutil.net_connections("tcp") if _listens(c, port) and c.pid is not None),
        None,
    )
    process = all_processes().get(pid) if pid is not None else None
    if process is None:
        return "a process that only its user or root may inspect; `make down` does not end it"
    name = f"process {process.pid} ({process.command[:120]})"
    owner = state_of(process.pid)
    if owner == str(state):
        return f"{name}, left by this local mode: `make down` ends it"
    if owner is not None:
        return f"{name}, of the local mode in {owner}: `make down ORDERS_STATE_DIR={owner}` ends it"
    if "docker-proxy" in process.command:
        return f"{name}, for a container: `docker compose down` may end it, `make down` does not"
    return f"{name}, a third-party process: `make down` does not end it"


def _listens(connection: object, port: int) -> bool:
    address = getattr(connection, "laddr", ())
    status = getattr(connection, "status", None)
    return address[1:2] == (port,) and status == psutil.CONN_LISTEN
