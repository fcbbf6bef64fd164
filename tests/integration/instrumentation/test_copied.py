"""The kit runs under another name, alone, and imports nothing of ours."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

from tools.servers import ROOT

KIT = ROOT / "observability" / "instrumentation"

APP = """
import flask
from telemetry_kit.flask import instrument_app
from telemetry_kit.testing import recorded_telemetry

with recorded_telemetry() as telemetry:
    app = flask.Flask("copied")
    app.get("/<name>")(lambda name: name)
    instrument_app(app, telemetry)
    assert app.test_client().get("/x").text == "x"
    telemetry.span("GET /<name>")
import sys
assert "celery" not in sys.modules and "psycopg" not in sys.modules and "grpc" not in sys.modules
assert "observability" not in sys.modules
"""


def test_a_copy_under_another_name_works_alone(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(KIT, tmp_path / "telemetry_kit", ignore=ignored)
    subprocess.run([sys.executable, "-c", APP], cwd=tmp_path, check=True, timeout=60)


def test_the_kit_imports_itself_only_relatively_and_nothing_of_the_project() -> None:
    rooms = {"service", "worker", "simulators", "alerts", "dashboards", "local", "observability"}
    for path in KIT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not rooms & {name.partition(".")[0] for name in names}, path
