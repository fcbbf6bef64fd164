"""The way to larger engines: laid over the bundled files, judged by each program itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.stack.test_backends import BUILT_FOR_COMPOSE, prometheus_tree, run
from tools.standins.composed import STACK, load

LARGER = STACK / "larger"
FILES = sorted(LARGER.iterdir())
BASES = {
    "collector.yaml": STACK / "collector/config.yaml",
    "prometheus.yml": STACK / "prometheus/prometheus.yml",
    "loki.yaml": STACK / "loki/loki.yaml",
    "tempo.yaml": STACK / "tempo/tempo.yaml",
}


def laid_over(below: Any, above: Any) -> Any:
    """Merge mappings; anything else is replaced, and null takes a key away."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    merged = {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def merged(name: str, below: Path | None = None) -> Any:
    return laid_over(load(below or BASES[name]), load(LARGER / name))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_has_a_base_to_be_laid_over_and_the_readme_names_it(path):
    assert path.name in BASES
    assert f"larger/{path.name}" in (STACK / "README.md").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_changes_something_and_keeps_the_rest(path):
    base, whole = load(BASES[path.name]), merged(path.name)
    assert whole != base
    assert set(base) <= set(whole)


def test_prometheus_accepts_the_remote_write(promtool_bins, tmp_path):
    whole = merged("prometheus.yml", prometheus_tree(tmp_path))
    path = tmp_path / "larger.yml"
    path.write_text(yaml.safe_dump(whole))
    run(promtool_bins[-1], "check", "config", "--syntax-only", path)


def test_the_collector_accepts_both_files_and_sends_to_both_places(tmp_path):
    program = shutil.which("otelcol-contrib") or shutil.which(
        "otelcol-contrib", path=str(BUILT_FOR_COMPOSE)
    )
    if not program:
        pytest.skip("otelcol-contrib is not here")
    above = tmp_path / "larger.yaml"
    text = (LARGER / "collector.yaml").read_text()
    above.write_text(text.replace("/var/lib/otelcol", str(tmp_path)))  # it must exist
    files = [f"--config={BASES['collector.yaml']}", f"--config={above}"]
    elsewhere = {"ELSEWHERE_ENDPOINT": "https://otlp.example", "ELSEWHERE_CREDENTIALS": "x"}
    command = [program, "print-config", *files]
    result = subprocess.run(
        command, env=os.environ | elsewhere, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    pipelines = yaml.safe_load(result.stdout)["service"]["pipelines"]
    assert pipelines["traces"]["exporters"] == ["otlp_http/tempo", "otlp_http/elsewhere"]
    assert pipelines["logs"]["receivers"] == ["otlp"]


@pytest.mark.parametrize(
    ("program", "option"), [("loki", "-verify-config"), ("tempo", "-config.verify")]
)
def test_a_back_end_accepts_object_storage(program, option, tmp_path):
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not here")
    path = tmp_path / f"{program}.yaml"
    path.write_text(yaml.safe_dump(merged(f"{program}.yaml")))
    run(found, option, "-config.expand-env=true", f"-config.file={path}")
