"""`pip install ./observability/instrumentation`: one typed package, and only what is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from service.version import VERSION
from tools.servers import ROOT

KIT = ROOT / "observability/instrumentation"
PROJECT = tomllib.loads((KIT / "pyproject.toml").read_text())["project"]
# What each module may import beyond the requirements of the distribution: its extra's packages.
EXTRAS = {
    "flask": ("flask", {"flask"}),
    "celery": ("celery", {"celery"}),
    "gunicorn": ("gunicorn", {"gunicorn", "prometheus_flask_exporter", "flask"}),
    "redis": ("redis", {"redis"}),
    "psycopg": ("psycopg", {"psycopg", "psycopg_pool"}),
    "sqlalchemy": ("sqlalchemy", {"sqlalchemy", "opentelemetry.instrumentation"}),
    "requests": ("requests", {"requests"}),
    "sdk": ("_export.sdk_engine", set()),
}
OPTIONAL = set().union(*(allowed for _, allowed in EXTRAS.values())) | {
    "grpc",
    "opentelemetry.exporter",
}
BLOCK = """
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {blocked!r}):
            raise ModuleNotFoundError(name + " is not installed")
sys.meta_path.insert(0, Refuse())
importlib.import_module("telemetry.{module}")
"""


def files(folder: Path) -> dict[str, float]:
    """Return every file of a folder, but for byte code, and when it was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed distribution and nothing else of ours."""
    folder = tmp_path_factory.mktemp("installed")
    before = files(KIT)
    options = ["--no-build-isolation", "--no-deps", "--no-compile", "--no-index"]
    done = run(ROOT, "-m", "pip", "install", "-q", *options, "--target", str(folder), str(KIT))
    assert done.returncode == 0, done.stderr
    assert files(KIT) == before, "the build wrote beside the sources"
    return folder


def test_there_is_one_typed_package_and_no_other_name(installed: Path) -> None:
    names = {path.name for path in installed.iterdir()}
    assert names == {"telemetry", f"sightline_telemetry-{VERSION}.dist-info"}
    assert (installed / "telemetry/py.typed").exists()
    kinds = {path.suffix for path in (installed / "telemetry").rglob("*") if path.is_file()}
    assert kinds == {".py", ".typed"}


def test_every_module_is_installed(installed: Path) -> None:
    def modules(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*.py")}

    assert modules(installed / "telemetry") == modules(KIT)


def test_the_version_is_that_of_the_project() -> None:
    assert PROJECT["version"] == VERSION


def test_there_is_an_extra_for_each_module_that_needs_a_package() -> None:
    assert set(PROJECT["optional-dependencies"]) == set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_module_imports_only_the_packages_of_its_extra(installed: Path, extra: str) -> None:
    module, allowed = EXTRAS[extra]
    blocked = tuple(sorted(OPTIONAL - allowed))
    done = run(installed, "-c", BLOCK.format(blocked=blocked, module=module))
    assert done.returncode == 0, done.stderr


def test_a_package_that_is_not_installed_is_noticed(installed: Path) -> None:
    done = run(installed, "-c", BLOCK.format(blocked=("flask",), module="flask"))
    assert "flask is not installed" in done.stderr
