"""The files for larger installations, merged into the bundled ones and checked by each program."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.stack.test_backends import BUILT, prometheus_tree, run
from tools.standins.composed import STACK, load

LARGER = STACK / "larger"
FILES = sorted(LARGER.iterdir())
BASES = {
    "collector.yaml": STACK / "collector/config.yaml",
    "prometheus.yml": STACK / "prometheus/prometheus.yml",
    "loki.yaml": STACK / "loki/loki.yaml",
    "tempo.yaml": STACK / "tempo/tempo.yaml",
}


def merge(base: Any, overlay: Any) -> Any:
    """Merge mappings; replace everything else; null removes a key."""
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return overlay
    merged = {**base, **{key: merge(base.get(key), value) for key, value in overlay.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def merged(name: str, base: Path | None = None) -> Any:
    return merge(load(base or BASES[name]), load(LARGER / name))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_has_a_base_file_and_the_readme_names_it(path):
    assert path.name in BASES
    assert f"larger/{path.name}" in (STACK / "README.md").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_merged_file_differs_from_its_base_and_keeps_its_keys(path):
    base, whole = load(BASES[path.name]), merged(path.name)
    assert whole != base
    assert set(base) <= set(whole)


def test_prometheus_accepts_the_remote_write(promtool_bins, tmp_path):
    whole = merged("prometheus.yml", prometheus_tree(tmp_path))
    path = tmp_path / "larger.yml"
    path.write_text(yaml.safe_dump(whole))
    run(promtool_bins[-1], "check", "config", "--syntax-only", path)


def test_the_collector_accepts_both_files_and_sends_to_both_backends(tmp_path):
    program = shutil.which("otelcol-contrib") or shutil.which("otelcol-contrib", path=BUILT)
    if not program:
        pytest.skip("otelcol-contrib is not installed")
    overlay = tmp_path / "larger.yaml"
    text = (LARGER / "collector.yaml").read_text()
    overlay.write_text(text.replace("/var/lib/otelcol", str(tmp_path)))  # the folder must exist
    files = [f"--config={BASES['collector.yaml']}", f"--config={overlay}"]
    variables = {"ELSEWHERE_ENDPOINT": "https://otlp.example", "ELSEWHERE_CREDENTIALS": "x"}
    command = [program, "print-config", *files]
    result = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    pipelines = yaml.safe_load(result.stdout)["service"]["pipelines"]
    assert pipelines["traces"]["exporters"] == ["otlp_http/tempo", "otlp_http/elsewhere"]
    assert pipelines["logs"]["receivers"] == ["otlp"]


@pytest.mark.parametrize(
    ("program", "option"), [("loki", "-verify-config"), ("tempo", "-config.verify")]
)
def test_a_backend_accepts_object_storage(program, option, tmp_path):
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    path = tmp_path / f"{program}.yaml"
    path.write_text(yaml.safe_dump(merged(f"{program}.yaml")))
    run(found, option, "-config.expand-env=true", f"-config.file={path}")
