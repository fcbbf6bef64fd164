"""The checks that `make up` adds to Compose, and its containers as rows of the status."""

from __future__ import annotations

import os

import pytest

from local.cli.docker_mode import Engine, container_state, find_engine, problems_before_start
from local.settings import LocalSettings

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
    assert problem == "the Docker engine has 1.0 GiB of memory; 2 GiB are needed"


def test_no_docker_command_means_no_engine(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_engine() is None
