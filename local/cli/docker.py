"""`make up` where a Docker engine answers: Compose, and the checks that it cannot make."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.cli.ports import taken_ports
from local.settings import ROOT, LocalSettings

# `include` with relative paths came with 2.20, `!override` and friends with 2.24.
COMPOSE_NEEDED = (2, 24)
# The stack was measured well below this; the limits of its containers add up to more on purpose.
MEMORY_NEEDED = 2 * 1024**3
PUBLISHED = (
    "ORDERS_PORT",
    "GRAFANA_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "MAIL_PORT",
    "OTLP_PORT",
)
UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers.

    Args:
        memory_bytes: What its containers may use together.
        compose: Version of its Compose; (0, 0) when there is none.
    """

    memory_bytes: int
    compose: tuple[int, int]


def find_engine() -> Engine | None:
    """Return the engine that the docker command reaches, or None."""
    try:
        info = _docker("info", "--format", "{{json .MemTotal}}", seconds=15)
    except (OSError, subprocess.SubprocessError):
        return None
    return Engine(int(info or 0), _compose_version()) if info.strip().isdigit() else None


def _compose_version() -> tuple[int, int]:
    try:
        said = _docker("compose", "version", "--short")
    except subprocess.SubprocessError:
        return 0, 0
    found = re.search(r"(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def problems_before_start(engine: Engine, settings: LocalSettings) -> list[str]:
    """Return a sentence for each thing that would make `docker compose up` fail later."""
    problems = []
    if engine.compose < COMPOSE_NEEDED:
        have = ".".join(map(str, engine.compose)) if any(engine.compose) else "none"
        problems.append(f"Docker Compose 2.24 or later is needed; here is {have}")
    if engine.memory_bytes < MEMORY_NEEDED:
        have_gb = engine.memory_bytes / 1024**3
        problems.append(f"the Docker engine has {have_gb:.1f} GiB of memory; 2 GiB are needed")
    if not problems and not containers():
        problems += taken_ports(settings, PUBLISHED)
    return problems


def up(settings: LocalSettings) -> int:
    """Build, start and wait until every container is healthy; return the exit code."""
    code = subprocess.run(
        ["docker", "compose", "up", "--detach", "--build", "--wait"], cwd=ROOT, check=False
    ).returncode
    if code:
        sys.stderr.write(
            "Not everything became healthy. `make status` says what; `make logs` why.\n"
        )
        return code
    sys.stdout.write(_welcome(settings))
    return 0


def _welcome(settings: LocalSettings) -> str:
    lines = [
        ("orders", "ORDERS_PORT", "/v1/orders"),
        ("Grafana", "GRAFANA_PORT", "/"),
        ("Prometheus", "PROMETHEUS_PORT", "/"),
        ("Alertmanager", "ALERTMANAGER_PORT", "/"),
        ("mail", "MAIL_PORT", "/"),
    ]
    table = "\n".join(f"  {n:13}http://{settings.address(v)}{path}" for n, v, path in lines)
    profile = f"SLO profile: {settings.profile}."
    if settings.profile == "demo":
        profile += " Every window is a twelfth of production's."
    return f"\nEverything is healthy.\n{table}\n{profile}\n"


def down() -> int:
    """Stop and remove the containers; the volumes stay. Return the exit code."""
    return _compose("down", "--remove-orphans")


def logs(name: str | None, *, follow: bool, lines: int) -> int:
    """Show log lines, of one service or of all; return the exit code."""
    words = ["logs", f"--tail={lines}", *(["--follow"] if follow else [])]
    return _compose(*words, *([name] if name else []))


def set_load(rate: float) -> int:
    """Change the customers' rate; return the exit code."""
    return _compose("exec", "-T", "customers", "python", "-m", "simulators.load", str(rate))


def _compose(*words: str) -> int:
    return subprocess.run(["docker", "compose", *words], cwd=ROOT, check=False).returncode


def containers() -> list[dict[str, Any]]:
    """Return what Compose knows of the project's containers, running or not."""
    return list(_json_lines(_docker("compose", "ps", "--all", "--format", "json")))


def status_rows() -> list[dict[str, Any]]:
    """Return one row per container.

    Returns:
        name, state (ready, done, unhealthy, starting, failed), address, memory_mb, restarts.
    """
    listed = containers()
    ids = [one["ID"] for one in listed]
    if not ids:
        return []
    stats = _docker("stats", "--no-stream", "--format", "{{json .}}", *ids)
    memory = {one["Name"]: _megabytes(one["MemUsage"]) for one in _json_lines(stats)}
    counts = _docker("inspect", "--format", "{{.RestartCount}}", *ids).split()
    return [
        {
            "name": one["Service"],
            "state": container_state(one),
            "address": _address(one.get("Publishers") or []),
            "memory_mb": memory.get(one["Name"], 0.0),
            "restarts": int(count),
        }
        for one, count in zip(listed, counts, strict=True)
    ]


def container_state(container: dict[str, Any]) -> str:
    """Return the local mode's word for the state that Compose gives."""
    if container["State"] == "running":
        return {"healthy": "ready", "": "ready", "starting": "starting"}.get(
            container.get("Health", ""), "unhealthy"
        )
    if container["State"] == "exited" and container.get("ExitCode") == 0:
        return "done"
    return "failed" if container["State"] in ("exited", "dead") else "starting"


def _address(publishers: Iterable[dict[str, Any]]) -> str:
    published = {f"{p['URL']}:{p['PublishedPort']}" for p in publishers if p.get("PublishedPort")}
    return " ".join(sorted(published))


def _megabytes(usage: str) -> float:
    """Return the first figure of `61.2MiB / 400MiB` in MB."""
    found = re.match(r"([\d.]+)\s*(\w+)", usage)
    if not found or found[2] not in UNITS:
        return 0.0
    return round(float(found[1]) * UNITS[found[2]] / 1e6, 1)


def _json_lines(text: str) -> Iterable[dict[str, Any]]:
    return (json.loads(line) for line in text.splitlines() if line.strip())


def _docker(*words: str, seconds: float = 60) -> str:
    done = subprocess.run(
        ["docker", *words],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout
