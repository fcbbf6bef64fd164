"""Names for the dependencies of a local system, in processes with this folder in PYTHONPATH.

Each name stands for 127.0.0.2, where `tools.outages.gates` listens. The lookup of a name with a
file of that name in OUTAGES_FOLDER hangs, as that of a stopped container does in an internal
network: two questions, 5 s apart, then EAI_AGAIN.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

GATE_HOST = "127.0.0.2"
DOMAIN = ".outage.example"
ASK_SECONDS = 5.0

plain = socket.getaddrinfo


def getaddrinfo(host: Any, port: Any, *rest: int, **options: int) -> list[Any]:
    """Return the gate's address for a dependency's name, and the usual answer for another."""
    if not isinstance(host, str) or not host.endswith(DOMAIN):
        return plain(host, port, *rest, **options)
    flags = options.get("flags", rest[3] if len(rest) > 3 else 0)
    if flags & socket.AI_NUMERICHOST:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    gone = Path(os.environ["OUTAGES_FOLDER"], host.removesuffix(DOMAIN))
    for _ in range(2):
        if not gone.exists():
            return plain(GATE_HOST, port, *rest, **options)
        time.sleep(ASK_SECONDS)
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def rename() -> None:
    """Give the program names in place of the addresses that the local mode sets."""
    if "ORDERS_CACHE_HOST" not in os.environ:
        return  # not a child of the supervisor
    for server, name in (
        ("DATABASE", "postgres"),
        ("CACHE", "cache"),
        ("BROKER", "broker"),
        ("SMTP", "smtp"),
    ):
        os.environ[f"ORDERS_{server}_HOST"] = name + DOMAIN
    for variable, name in (
        ("ORDERS_PAYMENT_PROVIDER_URL", "payment-provider"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
    ):
        os.environ[variable] = os.environ[variable].replace("127.0.0.1", name + DOMAIN)


if "OUTAGES_FOLDER" in os.environ:
    socket.getaddrinfo = getaddrinfo
    rename()
