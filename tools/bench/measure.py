"""Load servers in turn and measure CPU time, latency and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tools.bench.machine import cpu_seconds, resident_mb, tree
from tools.bench.servers import ORDER_PATH, Server
from tools.servers import ROOT


def measure(servers: list[Server], rounds: int, requests: int) -> None:
    """Load each server in each round; the order alternates, and a first round only warms up."""
    for number in range(rounds + 1):
        for server in servers if number % 2 else reversed(servers):
            result = measure_once(server, requests if number else max(500, requests // 4))
            if number:
                server.cpu_us.append(result[0])
                server.p50_ms.append(result[1])
                server.p99_ms.append(result[2])
        if sys.stderr.isatty():
            print(f"round {number} of {rounds}", file=sys.stderr)
    for server in servers:
        server.memory_mb = max(resident_mb(pid) for pid in tree(server.pid)[1:])


def measure_once(server: Server, requests: int) -> tuple[float, float, float]:
    """Return CPU in µs per request, p50 and p99 in ms."""
    pids = tree(server.pid)
    before = sum(cpu_seconds(pid) for pid in pids)
    command = [sys.executable, "-m", "tools.bench.load", str(server.port), ORDER_PATH]
    output = subprocess.run(
        [*command, str(requests), "4"], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ).stdout
    # The exports of the last requests are part of their cost.
    time.sleep(0.7)
    used = sum(cpu_seconds(pid) for pid in pids) - before
    latencies = json.loads(output)
    return used / requests * 1e6, latencies["p50"] * 1000, latencies["p99"] * 1000
