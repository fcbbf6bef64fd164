"""A project of its own, with a copy of the kit and the code of docs/adopt.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.instrumentation.conftest import scrape, total
from tools.bench.sink import Sink
from tools.servers import ROOT, free_port, running, wait_until

PAGE = ROOT / "docs" / "adopt.md"
KIT = ROOT / "observability" / "instrumentation"
_SECTION = re.compile(r"^## ", re.MULTILINE)
_DIFF = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Shape:
    """One shape of the page: files with and without the kit, and the commands to run them.

    Args:
        files: By name, the lines of the diff.
        commands: The lines of the diff that names no file, and of indented blocks.
    """

    title: str
    files: dict[str, list[str]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def changed(self) -> list[str]:
        """Return the lines that the page adds or changes; blank ones do not count."""
        lines = [line for lines in self.files.values() for line in lines] + self.commands
        return [line for line in lines if line[:1] == "+" and line[1:].strip()]

    def command(self, program: str) -> list[str]:
        """Return the command of a program, with the kit."""
        found = [line[1:] for line in self.commands if line[0] in "+ "]
        (line,) = [line.strip() for line in found if f"{program} " in f"{line} "]
        words = line.replace('"', "").split()
        return [word for word in words if not re.match(r"[A-Z_]+=", word)]


def shapes() -> Iterator[Shape]:
    """Read the shapes of the page."""
    for section in _SECTION.split(PAGE.read_text())[1:]:
        title, _, text = section.partition("\n")
        if title[0].isdigit():
            shape = Shape(title)
            for block in _DIFF.findall(text):
                lines = block.splitlines()
                named = re.fullmatch(r" # (\S+\.py)", lines[0])
                if named:
                    shape.files[named[1]] = lines[1:]
                else:
                    shape.commands += lines
            shape.commands += re.findall(r"^   ( \S.*)$", text, re.MULTILINE)
            yield shape


@dataclass
class Project:
    """A folder with a copy of the kit, and programs that run in it."""

    folder: Path
    stack: ExitStack
    environment: dict[str, str]
    logs: dict[str, Path] = field(default_factory=dict)

    def write(self, shape: Shape) -> None:
        """Write the files of a shape, with the lines that the page adds."""
        for name, lines in shape.files.items():
            kept = [line[1:] for line in lines if line[:1] != "-"]
            self.write_file(name, "\n".join(kept) + "\n")

    def write_file(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def start(self, name: str, *words: str, **extra: str) -> subprocess.Popen[bytes]:
        """Start a program as `python -m`; its output goes to the log of this name."""
        log = self.logs[name] = self.folder / f"{name}.log"
        command = [sys.executable, "-m", *words]
        options = {"cwd": self.folder, "env": {**self.environment, **extra}}
        return self.stack.enter_context(running(command, log=log, **options))

    def run(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**self.environment, **extra},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def lines(self, name: str) -> list[str]:
        return self.logs[name].read_text().splitlines()


def make_project(folder: Path, stack: ExitStack, endpoint: str, broker: str) -> Project:
    """Copy the kit into an empty folder, under the name of the page."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(KIT, folder / "telemetry", ignore=ignored)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BROKER_URL": broker,
        "TELEMETRY_ENGINE": os.environ.get("TELEMETRY_ENGINE", ""),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
    }
    return Project(folder, stack, environment)


class Web:
    """A web program of a project, under gunicorn, `flask run` or a server that reads PORT."""

    def __init__(
        self, project: Project, words: list[str], *, name: str = "web", **extra: str
    ) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        bind = {"flask": ["--port", str(self.port)], "gunicorn": ["-b", f":{self.port}"]}
        variables = {
            "PORT": str(self.port),
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics_port),
            **extra,
        }
        self.process = project.start(name, *words, *bind.get(words[0], []), **variables)

    def get(self, path: str, method: str = "GET") -> int:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)

    def total(self, name: str, **labels: str) -> float:
        return total(scrape(self.metrics_port), name, **labels)


class RunningWorker:
    """A Celery worker of a project, that is ready."""

    def __init__(self, project: Project, words: list[str], *more: str, **extra: str) -> None:
        self.metrics_port = free_port()
        options = ("-c", "1", "--without-gossip", "--without-mingle", *more)
        variables = {"OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics_port), **extra}
        self.process = project.start("worker", *words, *options, **variables)
        ready = re.compile(r"celery@\S+ ready")
        wait_until(lambda: ready.search(project.logs["worker"].read_text()), 60)

    def metrics(self) -> str:
        return scrape(self.metrics_port)

    def total(self, name: str, **labels: str) -> float:
        return total(self.metrics(), name, **labels)


def spans_by_service(sink: Sink) -> dict[str, set[str]]:
    """Return the names of the spans of each service."""
    found: dict[str, set[str]] = {}
    for span, resource in zip(list(sink.spans), list(sink.span_resources), strict=False):
        found.setdefault(resource["service.name"], set()).add(span.name)
    return found


def exported_lines(sink: Sink, service: str) -> list[str]:
    """Return the bodies of the log lines that a service has exported."""
    pairs = zip(list(sink.logs), list(sink.log_resources), strict=False)
    return [line.body.string_value for line, one in pairs if one["service.name"] == service]
