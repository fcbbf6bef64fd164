"""Drive a Docker engine and one Compose project on it, through the command that people use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.servers import free_port
from tools.standins.composed import ROOT, pulled

STAND_INS = ROOT / "tests" / "standins"
STATE = Path(os.environ.get("STANDINS_STATE", "/var/tmp/standins"))
STUBS = ("grafana/grafana", "grafana/loki", "grafana/tempo")
PORTS = (
    "ORDERS_PORT",
    "GRAFANA_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "MAIL_PORT",
    "OTLP_PORT",
)


class ComposeRunError(RuntimeError):
    """Raised when something did not come out as the compose files promise."""


def run(*command: str | Path, seconds: float = 900, **options: Any) -> str:
    """Run a command and return what it prints; show all of it when it fails."""
    result = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
        **options,
    )
    if result.returncode:
        raise ComposeRunError(f"{' '.join(map(str, command))}\n{result.stdout[-6000:]}")
    return result.stdout


def answers() -> bool:
    try:
        return bool(run("docker", "info", "--format", "{{.ServerVersion}}", seconds=20).strip())
    except (OSError, ComposeRunError):
        return False


@contextmanager
def engine() -> Iterator[str]:
    """Have an engine: the one that answers, else Debian's; yield its data folder."""
    was_there = answers()
    if not was_there:
        run(STAND_INS / "engine", "up")
    try:
        yield run("docker", "info", "--format", "{{.DockerRootDir}}").strip()
    finally:
        if not was_there:
            run(STAND_INS / "engine", "down")


def have_images(data: str) -> None:
    """Have every image under its name.

    An engine of somebody else pulls: a stand-in under an official name would stay there.
    """
    references = [f"{name}:{tag}" for name, tag in pulled().items()]
    if data != str(STATE / "docker"):
        for reference in references:
            run("docker", "pull", "-q", reference)
        return
    for reference in references:
        stub = ["--stub"] if reference.startswith(STUBS) else []
        try:
            say(run(STAND_INS / "images", *stub, reference).strip())
        except ComposeRunError as error:
            say(f"{error}\nNOT REAL: {reference} becomes a stub")
            run(STAND_INS / "images", "--stub", reference)


def is_stub(reference: str) -> bool:
    """Return whether an image holds nothing but the program that says yes."""
    label = '{{index .Config.Labels "sightline.standin"}}'
    return run("docker", "inspect", "--format", label, reference).strip() == "stub"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass
class Project:
    """The root compose file under a name and on ports of its own.

    Args:
        name: What its containers, volumes and networks begin with.
        overlays: Compose files to lay over it, such as one that names other images.
    """

    name: str
    overlays: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = {variable: free_port() for variable in PORTS}

    def compose(self, *words: str, seconds: float = 900) -> str:
        keep = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG")
        environ = {name: os.environ[name] for name in keep if name in os.environ}
        environ |= {name: str(port) for name, port in self.ports.items()} | self.settings
        # No .env of whoever works in this checkout.
        options = ["--progress", "quiet", "--env-file", "/dev/null", "--project-name", self.name]
        options += [word for file in ("compose.yaml", *self.overlays) for word in ("-f", file)]
        return run("docker", "compose", *options, *words, seconds=seconds, env=environ)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long a step takes, and say it."""
        since = time.monotonic()
        yield
        self.timings[what] = round(time.monotonic() - since, 1)
        say(f"{self.timings[what]:7.1f} s  {what}")

    def up(self, *words: str) -> None:
        self.compose("up", "--detach", "--wait", "--wait-timeout", "180", *words)

    def stubs(self) -> list[str]:
        """Return the images that only say yes."""
        return sorted({i for i in self.compose("config", "--images").split() if is_stub(i)})

    def containers(self) -> list[dict[str, Any]]:
        """Return what the engine knows of each container, the ended ones too."""
        ids = self.compose("ps", "--all", "--quiet").split()
        return json.loads(run("docker", "inspect", *ids)) if ids else []

    def stored_kib(self) -> dict[str, int]:
        """Return the size of each store's volume."""
        names = ("loki", "tempo", "prometheus", "postgres", "broker")
        mounts = [word for name in names for word in ("-v", f"{self.name}_{name}:/{name}:ro")]
        busybox = f"busybox:{pulled()['busybox']}"
        folders = [f"/{name}" for name in names]
        command = ["docker", "run", "--rm", "--network", "none", *mounts, busybox]
        lines = run(*command, "du", "-sk", *folders).splitlines()
        return {line.split("/")[-1]: int(line.split()[0]) for line in lines}

    def left_over(self) -> list[str]:
        """Return what of this project is still there."""
        label = f"label=com.docker.compose.project={self.name}"
        found = []
        for kind in ("container", "volume", "network"):
            everything = ["--all"] if kind == "container" else []
            command = ["docker", kind, "ls", *everything, "--quiet", "--filter", label]
            found += [f"{kind} {name}" for name in run(*command).split()]
        return found


def service_of(container: dict[str, Any]) -> str:
    return container["Config"]["Labels"]["com.docker.compose.service"]


def mebibytes() -> dict[str, float]:
    """Return the memory of every running container by its id's first twelve characters."""
    units = {"B": 1 / 2**20, "KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
    usage = {}
    for line in run("docker", "stats", "--no-stream", "--format", "{{json .}}").splitlines():
        row = json.loads(line)
        figure = row["MemUsage"].split("/")[0].strip()
        unit = next(u for u in ("KiB", "MiB", "GiB", "B") if figure.endswith(u))
        usage[row["ID"][:12]] = float(figure.removesuffix(unit)) * units[unit]
    return usage
