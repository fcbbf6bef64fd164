"""Each row of the README's table "Copy a piece": one copy into an empty folder, and it works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.servers import ROOT

SHOP = """
from flask import Flask, abort

from myshop.telemetry.flask import instrument_app
from myshop.telemetry.logs import configure_logging
from myshop.telemetry.settings import TelemetrySettings
from myshop.telemetry.telemetry import start_telemetry

settings = TelemetrySettings.from_env()
configure_logging(settings)
telemetry = start_telemetry(settings, service_name="shop")
app = Flask(__name__)

@app.get("/lamps/<int:number>")
def lamp(number):
    return {"number": number}

@app.get("/broken")
def broken():
    abort(500)

instrument_app(app, telemetry)
"""
VISIT = """
from myshop.shop import app, telemetry
from prometheus_client import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client import CollectorRegistry

client = app.test_client()
assert client.get("/lamps/1").status_code == 200
assert client.get("/lamps/2").status_code == 200
assert client.get("/broken").status_code == 500
registry = CollectorRegistry()
MultiProcessCollector(registry)
print("METRICS")
print(generate_latest(registry).decode())
telemetry.shutdown()
"""


def run(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder, with nothing of ours on its path."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def copy(what: str, to: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / what, to, ignore=ignored, dirs_exist_ok=True))


def test_the_instrumentation_works_in_another_project_under_another_name(tmp_path):
    copy("observability/instrumentation", tmp_path / "myshop" / "telemetry")
    (tmp_path / "myshop" / "__init__.py").touch()
    (tmp_path / "myshop" / "shop.py").write_text(SHOP)
    (tmp_path / "metrics").mkdir()
    done = run(
        tmp_path,
        "-c",
        VISIT,
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        OTEL_TRACES_EXPORTER="none",
        TELEMETRY_LOGS_EXPORT="off",
    )
    assert done.returncode == 0, done.stderr
    labels = (
        'http_request_method="GET",http_response_status_code="200",http_route="/lamps/<int:number>"'
    )
    assert f"http_server_request_duration_seconds_count{{{labels}}} 2.0" in done.stdout
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len({line["trace_id"] for line in lines if "trace_id" in line}) == 3


def test_the_instrumentation_of_flask_needs_no_celery(tmp_path):
    copy("observability/instrumentation", tmp_path / "kit")
    block = "import sys; sys.modules['celery'] = None; sys.modules['redis'] = None; "
    assert run(tmp_path, "-c", block + "import kit.flask, kit.gunicorn").returncode == 0


def test_the_semconv_modules_need_no_packages(tmp_path):
    copy("observability/instrumentation", tmp_path / "kit")
    done = run(
        tmp_path, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import kit.semconv"
    )
    assert done.returncode == 0, done.stderr


def test_the_stack_refers_to_nothing_outside_of_itself(tmp_path):
    stack = copy("observability/stack", tmp_path / "stack")
    compose = yaml.safe_load((stack / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0] if isinstance(mount, str) else mount["source"]
            path = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", source)
            if path.startswith("."):
                assert (stack / path).resolve().is_relative_to(stack), (name, mount)
                assert (stack / path).exists(), (name, mount)


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command to ask")
def test_compose_accepts_the_copied_stack(tmp_path):
    stack = copy("observability/stack", tmp_path / "stack")
    command = ["docker", "compose", "-f", str(stack / "compose.yaml"), "config", "--quiet"]
    if subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    ).returncode:
        pytest.skip("docker has no compose plug-in")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("profile", ["production", "demo"])
def test_the_rules_and_their_tests_hold_where_they_are_copied(tmp_path, promtool_bins, profile):
    copied = [copy(f"alerts/rules/{one}", tmp_path / one) for one in (profile, "common")]
    rules = [str(f) for folder in copied for f in sorted(folder.glob("*.yml"))]
    assert len(rules) > 4
    for promtool in promtool_bins:
        done = subprocess.run(
            [promtool, "check", "rules", *rules], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_the_generators_need_only_the_semconv_modules(tmp_path):
    for room in ("alerts", "dashboards"):
        copy(room, tmp_path / room)
    for words in ("observability/instrumentation/semconv.py", "service/semconv.py"):
        target = tmp_path / words
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / words, target)
    for room in ("alerts", "dashboards"):
        done = run(tmp_path, "-m", room, "--check")
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "alerts/rules/common/orders.yml").unlink()
    assert run(tmp_path, "-m", "alerts", "--check").returncode == 1


def test_the_dashboards_can_be_verified_where_they_are_copied(tmp_path):
    copy("dashboards", tmp_path / "dashboards")
    done = run(tmp_path, "-m", "dashboards", "verify", "--help")
    assert done.returncode == 0, done.stderr
