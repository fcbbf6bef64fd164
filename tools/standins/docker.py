"""A Docker engine and one compose project on it, driven by the command `docker`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.servers import free_port
from tools.standins.composed import ROOT, pulled

STAND_INS = ROOT / "tools" / "standins"
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
    """Failure of a command, with its output."""


def run(*command: str | Path, seconds: float = 900, cwd: Path = ROOT, **options: Any) -> str:
    """Run a command and return its output.

    Raises:
        ComposeRunError: The command failed; has the end of its output.
    """
    result = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
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


def engine_answers() -> bool:
    """Return whether a Docker engine is running."""
    try:
        return bool(run("docker", "info", "--format", "{{.ServerVersion}}", seconds=20).strip())
    except (OSError, ComposeRunError):
        return False


@contextmanager
def engine() -> Iterator[str]:
    """Start Debian's Docker engine unless one is running; yield the engine's data folder."""
    was_running = engine_answers()
    if not was_running:
        run(STAND_INS / "engine", "up")
    try:
        yield run("docker", "info", "--format", "{{.DockerRootDir}}").strip()
    finally:
        if not was_running:
            run(STAND_INS / "engine", "down")


def prepare_images(data: str) -> None:
    """Build a stand-in for every image, or pull the images if the engine is not ours.

    A stand-in under an official name must not stay on an engine that others use.

    Args:
        data: The engine's data folder.
    """
    references = [f"{name}:{tag}" for name, tag in pulled().items()]
    if data != str(STATE / "docker"):
        for reference in references:
            run("docker", "pull", "-q", reference)
        return
    for reference in references:
        stub = ["--stub"] if reference.startswith(STUBS) else []
        try:
            report(run(STAND_INS / "images", *stub, reference).strip())
        except ComposeRunError as error:
            report(f"{error}\nNOT REAL: {reference} becomes a stub")
            run(STAND_INS / "images", "--stub", reference)


@contextmanager
def private_copy() -> Iterator[Path]:
    """Copy this checkout as a clone with umask 077 has it; yield the folder, then remove it."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    with tempfile.TemporaryDirectory() as folder:
        for source in filter(Path.is_file, (ROOT / name for name in listed.split("\0") if name)):
            target = Path(folder) / source.relative_to(ROOT)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(source.stat().st_mode & 0o700)
        for parent in (path for path in Path(folder).rglob("*") if path.is_dir()):
            parent.chmod(0o700)  # mkdir(parents=True) ignores the mode for all but the last
        yield Path(folder)


def is_stub(reference: str) -> bool:
    """Return whether an image only answers 200."""
    label = '{{index .Config.Labels "sightline.standin"}}'
    return run("docker", "inspect", "--format", label, reference).strip() == "stub"


def report(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass
class Project:
    """The root compose file, started under its own name and on its own ports.

    Args:
        name: Prefix of its containers, volumes and networks.
        overlays: Compose files to merge, such as one with other images.
        settings: Environment variables of `docker compose`.
        timings: Seconds of each timed step, by its name.
        root: The checkout.
    """

    name: str
    overlays: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    root: Path = ROOT

    def __post_init__(self) -> None:
        self.ports = {variable: free_port() for variable in PORTS}

    def compose(self, *words: str, seconds: float = 900) -> str:
        """Run a `docker compose` command and return its output."""
        keep = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG")
        environ = {name: os.environ[name] for name in keep if name in os.environ}
        environ |= {name: str(port) for name, port in self.ports.items()} | self.settings
        # Without the .env of this checkout.
        options = ["--progress", "quiet", "--env-file", "/dev/null", "--project-name", self.name]
        files = [self.root / "compose.yaml", *(Path(file).resolve() for file in self.overlays)]
        options += [word for file in files for word in ("-f", str(file))]
        command = ["docker", "compose", *options, *words]
        return run(*command, seconds=seconds, cwd=self.root, env=environ)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Measure the seconds of a step, and print them."""
        since = time.monotonic()
        yield
        self.timings[what] = round(time.monotonic() - since, 1)
        report(f"{self.timings[what]:7.1f} s  {what}")

    def up(self, *words: str) -> None:
        """Start the project and wait until it is healthy."""
        self.compose("up", "--detach", "--wait", "--wait-timeout", "180", *words)

    def stubs(self) -> list[str]:
        """Return the images that are stubs."""
        return sorted({i for i in self.compose("config", "--images").split() if is_stub(i)})

    def containers(self) -> list[dict[str, Any]]:
        """Return `docker inspect` of each container, stopped ones included."""
        ids = self.compose("ps", "--all", "--quiet").split()
        return json.loads(run("docker", "inspect", *ids)) if ids else []

    def stored_kib(self) -> dict[str, int]:
        """Return the size of each store's volume, KiB."""
        names = ("loki", "tempo", "prometheus", "postgres", "broker")
        mounts = [word for name in names for word in ("-v", f"{self.name}_{name}:/{name}:ro")]
        busybox = f"busybox:{pulled()['busybox']}"
        folders = [f"/{name}" for name in names]
        command = ["docker", "run", "--rm", "--network", "none", *mounts, busybox]
        lines = run(*command, "du", "-sk", *folders).splitlines()
        return {line.split("/")[-1]: int(line.split()[0]) for line in lines}

    def nameless_volumes(self) -> list[str]:
        """Return the mounts with a volume that compose.yaml does not name; `down` leaves those."""
        return [
            f"{service_of(container)}: {mount['Destination']}"
            for container in self.containers()
            for mount in container["Mounts"]
            if mount["Type"] == "volume" and not mount["Name"].startswith(f"{self.name}_")
        ]

    def left_over(self) -> list[str]:
        """Return the containers, volumes and networks of this project that still exist."""
        label = f"label=com.docker.compose.project={self.name}"
        found = []
        for kind in ("container", "volume", "network"):
            everything = ["--all"] if kind == "container" else []
            command = ["docker", kind, "ls", *everything, "--quiet", "--filter", label]
            found += [f"{kind} {name}" for name in run(*command).split()]
        return found


def service_of(container: dict[str, Any]) -> str:
    """Return the compose service of a container."""
    return container["Config"]["Labels"]["com.docker.compose.service"]


def mebibytes() -> dict[str, float]:
    """Return the memory of every running container, MiB, by the first 12 characters of its id."""
    units = {"B": 1 / 2**20, "KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
    usage = {}
    for line in run("docker", "stats", "--no-stream", "--format", "{{json .}}").splitlines():
        row = json.loads(line)
        figure = row["MemUsage"].split("/")[0].strip()
        unit = next(u for u in ("KiB", "MiB", "GiB", "B") if figure.endswith(u))
        usage[row["ID"][:12]] = float(figure.removesuffix(unit)) * units[unit]
    return usage
