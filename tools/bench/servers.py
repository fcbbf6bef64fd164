"""The servers that are measured: one gunicorn for each variant, of this checkout or another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tools.bench.machine import tree
from tools.servers import ROOT, free_port, is_listening, running, running_redis, wait_until

ENGINES = ("sdk", "sdk-own-middleware", "sdk-own-exporter")
VARIANTS = ("bare", "metrics", "traces", "logs", "all", "all-10%", *ENGINES, "contrib", "auto")
KIT_VARIANTS = ("metrics", "traces", "logs", "all", "all-10%")
ORDER_PATH = "/orders/0b1e6a52-6f0e-4a5c-9c2e-2f6f9f8b6f11"
ORDER = json.dumps({"id": ORDER_PATH[8:], "status": "confirmed", "items": [{"sku": "a"}] * 3})
# The app and its configuration are this checkout's in every comparison; only the kit differs.
APP_FILES = ("app.py", "gunicorn_conf.py")


@dataclass
class Server:
    """The gunicorn of one variant, and what was measured of it, round by round."""

    variant: str
    port: int
    pid: int
    cpu_us: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


class Bench:
    """What all servers share: a folder, a Redis with one order, and an OTLP receiver.

    Args:
        stack: Ends all processes.
        folder: For logs, metrics and the app's files.
    """

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._redis_port = stack.enter_context(running_redis(folder / "redis")).port
        redis.Redis(port=self._redis_port).set(f"order:{ORDER_PATH[8:]}", ORDER)
        self._receiver_port = free_port()
        command = [sys.executable, "-m", "tools.bench.sink", str(self._receiver_port)]
        stack.enter_context(
            running(
                command,
                log=folder / "sink.log",
                ready=lambda: is_listening(self._receiver_port),
                cwd=ROOT,
            )
        )

    def start(self, variant: str, checkout: Path = ROOT) -> Server:
        """Start the gunicorn of a variant with the kit of a checkout."""
        port = free_port()
        folder = self._folder / f"{variant.strip('%')}-{port}"
        (folder / "metrics").mkdir(parents=True)
        for name in APP_FILES:
            shutil.copy(Path(__file__).parent / name, folder / f"bench_{name}")
        variables = self._environment(variant, port, folder, checkout)
        check_origin(checkout, folder, variables)
        process = self._stack.enter_context(
            running(
                [*program(variant), "-c", "python:bench_gunicorn_conf", "bench_app:create_app()"],
                log=folder / "gunicorn.log",
                ready=lambda: serves(port),
                cwd=folder,
                env=variables,
            )
        )
        wait_until(lambda: len(tree(process.pid)) >= 2)
        return Server(variant, port, process.pid)

    def _environment(self, variant: str, port: int, folder: Path, checkout: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{checkout}{os.pathsep}{folder}",
            "HOME": str(folder),
            "BENCH_VARIANT": variant,
            "BENCH_PORT": str(port),
            "BENCH_REDIS_PORT": str(self._redis_port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._receiver_port}",
            "OTEL_SERVICE_NAME": "bench",
            **variant_settings(variant, str(folder / "metrics")),
        }


@contextmanager
def running_bench() -> Iterator[Bench]:
    """Run what the servers share, and end all of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        yield Bench(stack, folder)


def program(variant: str) -> list[str]:
    """Return the command line that starts gunicorn."""
    if variant != "auto":
        return [sys.executable, "-m", "gunicorn"]
    folder = Path(sys.executable).parent
    return [str(folder / "opentelemetry-instrument"), str(folder / "gunicorn")]


def variant_settings(variant: str, metrics_folder: str) -> dict[str, str]:
    """Return the environment variables that make the variant."""
    variables = {} if variant == "bare" else {"PROMETHEUS_MULTIPROC_DIR": metrics_folder}
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
    if variant in ENGINES:
        variables |= {"TELEMETRY_ENGINE": "sdk"}
    if variant == "auto":
        variables |= {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
            "OTEL_LOGS_EXPORTER": "otlp",
        }
    return variables


def check_origin(checkout: Path, folder: Path, variables: dict[str, str]) -> None:
    """Raise RuntimeError unless the app imports the kit of this checkout."""
    code = "import observability.instrumentation as kit; print(kit.__file__)"
    command = [sys.executable, "-c", code]
    output = subprocess.run(
        command, check=True, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    if not Path(output).is_relative_to(checkout):
        raise RuntimeError(f"the kit comes from {output}, not from {checkout}")


def serves(port: int) -> bool:
    """Return whether the cached read answers 200."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{ORDER_PATH}", timeout=10) as answer:
        return bool(answer.status == 200)
