"""The commands of the Docker mode: Compose, and checks that Compose does not make."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from local.cli.errors import RefusedError
from local.cli.ports import taken_ports
from local.cli.status import Row, print_status
from local.servers.configs import receiver_problems
from local.settings import ROOT, LocalSettings

# `include` with relative paths came with 2.20, `!override` and friends with 2.24.
COMPOSE_NEEDED = (2, 24)
# Twice the measured sum (docs/measurements/footprint.md); the limits of the containers deliberately
# add up to more.
MEMORY_NEEDED = 3 * 10**9
PROJECT = "sightline"  # the name in compose.yaml
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
        memory_bytes: Memory that its containers may use together.
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
        version = _docker("compose", "version", "--short")
    except subprocess.SubprocessError:
        return 0, 0
    found = re.search(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def problems_before_start(engine: Engine, settings: LocalSettings) -> list[str]:
    """Return a sentence for each reason why `docker compose up` would fail later."""
    problems = receiver_problems(settings)
    if engine.compose < COMPOSE_NEEDED:
        found = ".".join(map(str, engine.compose)) if any(engine.compose) else "none"
        problems.append(f"Docker Compose 2.24 or later is needed; found {found}")
    if engine.memory_bytes < MEMORY_NEEDED:
        memory = (
            f"{engine.memory_bytes / 1e9:.1f} GB of memory; {MEMORY_NEEDED / 1e9:.0f} GB are needed"
        )
        problems.append(f"the Docker engine has {memory}")
    if not problems:
        problems += closed_mounts(mounted_folders(_docker("compose", "config", "--format", "json")))
        problems += [] if containers() else taken_ports(settings, PUBLISHED)
    return problems


def mounted_folders(config: str) -> list[Path]:
    """Return the folders that containers mount.

    Args:
        config: What `docker compose config --format json` prints.
    """
    services = json.loads(config)["services"].values()
    volumes = [volume for service in services for volume in service.get("volumes", [])]
    return sorted({Path(one["source"]) for one in volumes if one["type"] == "bind"})


def closed_mounts(folders: Iterable[Path]) -> list[str]:
    """Return a sentence, with the command that helps, if a container cannot read a mounted folder.

    A clone made with umask 027 or 077 is readable for its owner only, and containers run as other
    users. Only Linux passes the permissions on as they are.
    """
    if sys.platform != "linux":
        return []
    closed = [folder for folder in folders if not all(map(_is_open, [folder, *folder.rglob("*")]))]
    if not closed:
        return []
    names = [os.path.relpath(path, ROOT) if path.is_relative_to(ROOT) else path for path in closed]
    command = shlex.join(["chmod", "-R", "go+rX", *map(str, names)])
    return [f"containers run as other users and cannot read their mounted files; run: {command}"]


def _is_open(path: Path) -> bool:
    """Return whether every user may read a file, or list and enter a folder."""
    mode = path.stat().st_mode
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & needed == needed


class DockerMode:
    """The commands with Docker Compose; each returns its exit code.

    Args:
        settings: Ports and the SLO profile.
        engine: The engine that answers.
    """

    def __init__(self, settings: LocalSettings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine

    def up(self, started_at: float) -> int:  # noqa: ARG002 - the local mode measures from it
        """Build, start and wait until every container is healthy.

        Raises:
            RefusedError: Nothing was started, with the reasons.
        """
        if problems := problems_before_start(self.engine, self.settings):
            raise RefusedError("\n".join(problems))
        words = ["up", "--detach", "--build", "--wait"]
        if not self.settings.sample:
            words = [*stack_alone(), *words, "--remove-orphans"]
        if code := _compose(*words):
            click.echo(_why_not_up(), err=True)
            return code
        click.echo(_welcome(self.settings))
        return 0

    def down(self) -> int:
        """Stop and remove the containers; the volumes stay."""
        return _compose("down", "--remove-orphans")

    def status(self, *, as_json: bool) -> int:
        """Print a row per container."""
        return print_status(_rows(), as_json=as_json)

    def logs(self, name: str | None, *, follow: bool, lines: int) -> int:
        """Print log lines, of one service or of all."""
        words = ["logs", f"--tail={lines}", *(["--follow"] if follow else [])]
        return _compose(*words, *([name] if name else []))

    def load(self, rate: float) -> int:
        """Set the load generator's rate, in requests per second."""
        return _compose("exec", "-T", "customers", "python", "-m", "simulators.load", str(rate))


def stack_alone() -> list[str]:
    """Return the options of Compose for the stack without the sample, in the same project."""
    environment = ["--env-file", ".env"] if (ROOT / ".env").exists() else []
    return ["--project-name", PROJECT, "--file", "observability/stack/compose.yaml", *environment]


def _why_not_up() -> str:
    if not containers():
        return (
            "No container was created. If the engine cannot pull the images, because it has no"
            " network or no access to the registry, `make up MODE=local` runs the same system"
            " without Docker."
        )
    return "Not every container became healthy: see `make status` and `make logs`."


def _welcome(settings: LocalSettings) -> str:
    lines = [
        ("orders", "ORDERS_PORT", "/v1/orders"),
        ("Grafana", "GRAFANA_PORT", "/"),
        ("Prometheus", "PROMETHEUS_PORT", "/"),
        ("Alertmanager", "ALERTMANAGER_PORT", "/"),
        ("mail", "MAIL_PORT", "/"),
    ]
    running = [line for line in lines if line[1] in settings.listeners()]
    table = "\n".join(f"  {n:13}http://{settings.address(v)}{path}" for n, v, path in running)
    if not settings.sample:
        return f"\nEvery container of the stack is healthy.\n{table}"
    profile = f"SLO profile: {settings.profile}."
    if settings.profile == "demo":
        profile += " Every window is a twelfth of production's."
    return f"\nEvery container is healthy.\n{table}\n{profile}"


def _compose(*words: str) -> int:
    return subprocess.run(["docker", "compose", *words], cwd=ROOT, check=False).returncode


def containers() -> list[dict[str, Any]]:
    """Return the project's containers as Compose lists them, running or not."""
    return list(_json_lines(_docker("compose", "ps", "--all", "--format", "json")))


def _rows() -> list[Row]:
    """Return one row per container."""
    listed = containers()
    ids = [one["ID"] for one in listed]
    if not ids:
        return []
    stats = _docker("stats", "--no-stream", "--format", "{{json .}}", *ids)
    memory = {one["Name"]: _megabytes(one["MemUsage"]) for one in _json_lines(stats)}
    counts = _docker("inspect", "--format", "{{.RestartCount}}", *ids).split()
    return [
        Row(
            name=one["Service"],
            state=container_state(one),
            address=_address(one.get("Publishers") or []),
            memory_mb=memory.get(one["Name"], 0.0),
            restarts=int(count),
        )
        for one, count in zip(listed, counts, strict=True)
    ]


def container_state(container: dict[str, Any]) -> str:
    """Return the status word for the state that Compose gives."""
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
