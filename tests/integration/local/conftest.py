"""A real supervisor in its own process, with small stand-in servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.cli.down import down
from local.state import StateFolder
from local.supervisor.folder import MARKER
from local.supervisor.plan import Child, Plan, Probe
from local.supervisor.processes import members
from tools.servers import ROOT, free_port, wait_until

STANDIN = Path(__file__).parent / "standin.py"


def standin(name: str, *words: str, **options: Any) -> Child:
    """Return a child that listens on a free port."""
    port = free_port()
    command = (sys.executable, str(STANDIN), str(port), *words)
    return Child(name, command, probe=Probe("tcp", port), address=f"127.0.0.1:{port}", **options)


def shell(name: str, line: str, **options: Any) -> Child:
    """Return a child that is one line of shell."""
    return Child(name, ("sh", "-c", line), **options)


@dataclass
class Running:
    """A supervisor in the background."""

    state: StateFolder
    process: subprocess.Popen[bytes]

    def child(self, name: str) -> dict[str, Any]:
        children = self.state.read_report().get("children", [])
        return next((child for child in children if child["name"] == name), {})

    def phase(self) -> str:
        return self.state.read_report().get("phase", "")

    def output(self) -> str:
        return self.state.log("supervisor").read_text()

    def wait_ready(self) -> None:
        wait_until(lambda: self.phase() == "ready")


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start supervisors with given children; end them after the test."""
    state = StateFolder(tmp_path)
    started = []

    def start(*children: Child) -> Running:
        Plan(children).save(state.plan)
        log = state.log("supervisor")
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "local.supervisor", str(tmp_path), str(ROOT)],
                cwd=ROOT,
                env={**os.environ, MARKER: str(tmp_path)},
                start_new_session=True,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return Running(state, process)

    yield start
    assert down(state)
    for process in started:
        process.wait(10)
    assert members(tmp_path) == []
