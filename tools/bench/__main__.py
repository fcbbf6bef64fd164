"""Measure what telemetry costs: `python -m tools.bench` prints one table and writes two files.

All variants' servers run side by side; each round loads one after the other, so that whatever else
the machine does meets all of them. CPU is what the kernel counted for master and worker.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tools.bench.machine import cpu_seconds, describe_machine, resident_mb, tree
from tools.bench.report import write_reports
from tools.servers import free_port, running, running_redis, wait_until

VARIANTS = ("bare", "metrics", "traces", "logs", "all", "all-10%", "contrib", "auto")
ROOT = Path(__file__).parent.parent.parent
ORDER_PATH = "/orders/0b1e6a52-6f0e-4a5c-9c2e-2f6f9f8b6f11"
ORDER = json.dumps({"id": ORDER_PATH[8:], "status": "confirmed", "items": [{"sku": "a"}] * 3})


@dataclass
class Server:
    """One variant's gunicorn and what was measured of it."""

    variant: str
    port: int
    pid: int
    cpu_us: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


def main() -> None:
    """Measure and report."""
    options = read_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        cache = stack.enter_context(running_redis(folder / "redis"))
        redis.Redis(port=cache.port).set(f"order:{ORDER_PATH[8:]}", ORDER)
        sink = start_sink(stack, folder)
        servers = [
            start_server(stack, folder, variant, cache.port, sink) for variant in options.variants
        ]
        measure(servers, options.rounds, options.requests)
    write_reports(servers, options, describe_machine(), ROOT)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=3000, help="per round and variant")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--no-docs", action="store_true", help="do not write the document")
    parser.add_argument("--note", default="", help="a word on the machine's state, for the page")
    return parser.parse_args()


def start_sink(stack: ExitStack, folder: Path) -> str:
    """Start a receiver that swallows everything, in its own process; return its URL."""
    port = free_port()
    command = [sys.executable, "-m", "tools.bench.sink", str(port)]
    stack.enter_context(
        running(command, log=folder / "sink.log", ready=lambda: answers(port), cwd=ROOT)
    )
    return f"http://127.0.0.1:{port}"


def answers(port: int) -> bool:
    """Return whether somebody accepts connections there."""
    import socket

    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serves(port: int) -> bool:
    """Return whether the cached read answers 200."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{ORDER_PATH}", timeout=10) as answer:
        return bool(answer.status == 200)


def start_server(
    stack: ExitStack, folder: Path, variant: str, redis_port: int, sink: str
) -> Server:
    """Start one variant's gunicorn."""
    port = free_port()
    metrics = folder / f"metrics-{variant.strip('%')}"
    metrics.mkdir()
    command = [sys.executable, "-m", "gunicorn", "-c", "python:tools.bench.gunicorn_conf"]
    if variant == "auto":
        program = str(Path(sys.executable).parent / "opentelemetry-instrument")
        command = [program, *command[3:3], str(Path(sys.executable).parent / "gunicorn")]
        command += ["-c", "python:tools.bench.gunicorn_conf"]
    process = stack.enter_context(
        running(
            [*command, "tools.bench.app:create_app()"],
            log=folder / f"{variant.strip('%')}.log",
            ready=lambda: serves(port),
            cwd=ROOT,
            env=environment(variant, port, redis_port, sink, metrics),
        )
    )
    wait_until(lambda: len(tree(process.pid)) >= 2)
    return Server(variant, port, process.pid)


def environment(
    variant: str, port: int, redis_port: int, sink: str, metrics: Path
) -> dict[str, str]:
    """Return the environment of one variant."""
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(metrics),
        "BENCH_VARIANT": variant,
        "BENCH_PORT": str(port),
        "BENCH_REDIS_PORT": str(redis_port),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink,
        "OTEL_SERVICE_NAME": "bench",
    }
    if variant == "bare":
        del variables["PROMETHEUS_MULTIPROC_DIR"]
    if variant in ("metrics", "logs"):
        variables["OTEL_TRACES_EXPORTER"] = "none"
    if variant == "metrics":
        variables |= {"OTEL_SDK_DISABLED": "true"}
    if variant == "logs":
        variables |= {"OTEL_TRACES_SAMPLER": "always_off"}
    if variant == "all-10%":
        variables |= {
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.1",
        }
    if variant == "auto":
        variables |= {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
            "OTEL_LOGS_EXPORTER": "otlp",
        }
    return variables


def measure(servers: list[Server], rounds: int, requests: int) -> None:
    """Load each server in turn, so many times; the first round only warms up."""
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
    # Exports of the last requests are part of their cost.
    time.sleep(0.7)
    used = sum(cpu_seconds(pid) for pid in pids) - before
    latencies = json.loads(output)
    return used / requests * 1e6, latencies["p50"] * 1000, latencies["p99"] * 1000


if __name__ == "__main__":
    main()
