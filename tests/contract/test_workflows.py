"""GitHub workflows are valid, and ours runs exactly what a person runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.servers import ROOT

CI = ROOT / ".github" / "workflows" / "ci.yml"
# One that people copy into their own repository.
FOR_ADOPTERS = ROOT / "alerts" / "mutation" / "workflow.yml"


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    schema = ["--builtin-schema", "vendor.github-workflows"]
    return subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), *schema, path],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", [CI, FOR_ADOPTERS], ids=lambda p: p.name)
def test_the_workflow_is_valid(path):
    done = validate(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_invalid_workflow_is_noticed(tmp_path):
    path = tmp_path / "wrong.yml"
    path.write_text(CI.read_text().replace("runs-on:", "runs-at:"))
    assert validate(path).returncode == 1


def test_ci_runs_the_same_script_as_a_person():
    job = yaml.safe_load(CI.read_text())["jobs"]["ci"]
    assert {"run": "bash .ci/run"} in job["steps"]
    assert job["container"]["image"] == "debian:12"
    assert job["timeout-minutes"] <= 90
