"""The checks that `make up` adds to Compose, and its containers as rows of the status."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from local.cli.docker_mode import (
    MEMORY_NEEDED,
    DockerMode,
    Engine,
    closed_mounts,
    container_state,
    find_engine,
    mounted_folders,
    problems_before_start,
)
from local.settings import ROOT, LocalSettings
from tools.free_ports import free_port_variables
from tools.standins.composed import has_compose, project

GIB = 1024**3


@pytest.fixture
def settings(tmp_path) -> LocalSettings:
    return LocalSettings.from_env({"PATH": os.environ["PATH"]}, dotenv=tmp_path / "none")


@pytest.mark.parametrize(
    ("container", "state"),
    [
        ({"State": "running", "Health": "healthy"}, "ready"),
        ({"State": "running", "Health": ""}, "ready"),
        ({"State": "running"}, "ready"),
        ({"State": "running", "Health": "starting"}, "starting"),
        ({"State": "running", "Health": "unhealthy"}, "unhealthy"),
        ({"State": "exited", "ExitCode": 0}, "done"),
        ({"State": "exited", "ExitCode": 1}, "failed"),
        ({"State": "dead"}, "failed"),
        ({"State": "restarting"}, "starting"),
        ({"State": "created"}, "starting"),
    ],
)
def test_a_container_state_becomes_a_status_word(container, state):
    assert container_state(container) == state


def test_an_old_compose_is_reported_before_anything_starts(settings):
    (problem,) = problems_before_start(Engine(8 * GIB, (2, 20)), settings)
    assert problem == "Docker Compose 2.24 or later is needed; found 2.20"


def test_a_missing_compose_is_reported(settings):
    (problem,) = problems_before_start(Engine(8 * GIB, (0, 0)), settings)
    assert "found none" in problem


def test_too_little_memory_is_reported_with_the_requirement(settings):
    (problem,) = problems_before_start(Engine(GIB, (2, 40)), settings)
    assert problem == "the Docker engine has 1.1 GB of memory; 3 GB are needed"


def test_the_readme_states_the_memory_that_make_up_checks():
    text = (ROOT / "README.md").read_text()
    (stated,) = map(int, re.findall(r"(\d+) GB\s+of memory for Docker", text))
    assert stated * 10**9 == MEMORY_NEEDED


def test_the_memory_needed_leaves_half_of_the_measured_sum_free():
    """The figures are of Grafana 9.4; 13 was measured at 230 MiB idle and up to 370 under load."""
    text = (ROOT / "docs/measurements/footprint.md").read_text()
    measured = int(re.search(r"\*\*Memory\*\*: ([\d,]+) MiB", text)[1].replace(",", ""))
    grafana = int(re.search(r"^\| grafana \|.* (\d+) \|$", text, re.MULTILINE)[1])
    assert (measured - grafana + 370) * 2**20 * 1.5 <= MEMORY_NEEDED


MOUNTED = ["observability/stack/loki", "alerts/rules", "dashboards/json", "service/edge"]


@pytest.fixture
def clone(tmp_path, request) -> list[Path]:
    """The mounted folders in a clone that was made with the umask of the parameter."""
    command = ["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", str(tmp_path / "clone")]
    subprocess.run(command, check=True, umask=request.param, capture_output=True)
    return [tmp_path / "clone" / name for name in MOUNTED]


@pytest.mark.parametrize("clone", [0o027, 0o077], indirect=True)
def test_folders_that_containers_cannot_read_are_reported_with_the_command_that_helps(clone):
    (problem,) = closed_mounts(clone)
    before, _, command = problem.partition("run: ")
    assert before.startswith("containers run as other users")
    subprocess.run(shlex.split(command), check=True)
    assert closed_mounts(clone) == []


@pytest.mark.parametrize("clone", [0o022], indirect=True)
def test_one_closed_file_is_enough(clone):
    assert closed_mounts(clone) == []
    (clone[0] / "loki.yaml").chmod(0o640)
    (problem,) = closed_mounts(clone)
    assert problem.endswith(f"run: chmod -R go+rX {clone[0]}")


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
def test_every_folder_that_a_container_mounts_is_checked():
    services = project().values()
    expected = {m.folder for service in services for m in service.mounts if m.folder}
    command = ["docker", "compose", "--env-file", "/dev/null", "config", "--format", "json"]
    config = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(mounted_folders(config)) == expected


def test_no_docker_command_means_no_engine(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_engine() is None


FAKE_DOCKER = """#!/bin/sh
echo "$*" >> "$0.calls"
case "$*" in
  info*) echo 8000000000 ;;
  "compose version"*) echo 2.40.0 ;;
  "compose config"*) echo '{"services": {}}' ;;
  *" up "*) echo "failed to resolve reference: no such host" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """An engine that answers but cannot pull images; returns the calls that it got."""
    program = tmp_path / "docker"
    program.write_text(FAKE_DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda: (tmp_path / "docker.calls").read_text().splitlines()


def mode(tmp_path, **variables):
    ports = free_port_variables()
    settings = LocalSettings.from_env({**os.environ, **ports, **variables}, tmp_path / "none")
    return DockerMode(settings, find_engine())


def test_an_engine_that_cannot_pull_leads_to_the_local_mode(docker, tmp_path, capsys):
    assert mode(tmp_path).up(0) == 1
    assert "`make up MODE=local` runs the same system" in capsys.readouterr().err


def test_without_the_sample_only_the_stack_is_started_in_the_same_project(docker, tmp_path):
    mode(tmp_path, SAMPLE="off").up(0)
    (call,) = [call for call in docker() if " up " in call]
    assert "--project-name sightline --file observability/stack/compose.yaml" in call
    assert (ROOT / "observability/stack/compose.yaml").exists()
    assert yaml.safe_load((ROOT / "compose.yaml").read_text())["name"] == "sightline"
