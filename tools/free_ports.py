"""Free loopback ports for tests and drills."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from local.settings import PORTS

# Below the ports that Linux gives to outgoing connections (by default 32768 and above): one of
# those may be gone again before its server binds it.
FREE_PORTS = range(20_000, 32_768)


def free_ports(number: int) -> list[int]:
    """Return this many different ports that are free now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(FREE_PORTS, len(FREE_PORTS)):
        if len(found) == number:
            break
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


def free_port_variables() -> dict[str, str]:
    """Return an environment that moves every port of the local mode to one that is free now."""
    return {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
