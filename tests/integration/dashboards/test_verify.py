"""`python -m dashboards verify` against a real Prometheus, on dashboards of any age."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dashboards.verify.backends import Backend, prometheus_has
from tools.servers import ROOT, free_port, is_listening, running_prometheus, wait_until


def prometheus_config(port: int) -> str:
    return f"""
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: itself
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory) -> Iterator[str]:
    """A Prometheus that scrapes a second one."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    with running_prometheus(folder / "a", "global: {}\n") as scraped:
        port = int(scraped.rsplit(":", 1)[1])
        with running_prometheus(folder / "b", prometheus_config(port)) as url:
            wait_until(lambda: prometheus_has(Backend(url), "prometheus_build_info"), 30)
            yield url


def write(path: Path, *panels: dict, **more: object) -> Path:
    path.write_text(json.dumps({"title": "T", "panels": list(panels), **more}))
    return path


def panel(title: str, expr: str, **more: object) -> dict:
    return {"title": title, "type": "timeseries", "targets": [{"expr": expr}], **more}


def verify(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dashboards", "verify", *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_dashboard_with_data_passes(prometheus, tmp_path):
    path = write(tmp_path / "a.json", panel("Builds", "prometheus_build_info"))
    done = verify("--prometheus", prometheus, path)
    assert done.returncode == 0, done.stderr
    assert "1 panels with rows, 0 empty" in done.stdout
    assert re.search(r"^slowest query \d+ ms: a / Builds$", done.stdout, re.MULTILINE)


def test_an_empty_panel_fails_and_names_the_missing_metric(prometheus, tmp_path):
    path = write(tmp_path / "a.json", panel("Mine", "rate(not_emitted_total[1m]) / up"))
    done = verify("--prometheus", prometheus, path, "--json", tmp_path / "v.json")
    assert done.returncode == 1
    assert "Mine: missing not_emitted_total" in done.stdout
    (found,) = json.loads((tmp_path / "v.json").read_text())["a"]
    assert found["state"] == "empty"
    assert found["missing"] == ["not_emitted_total"]


def test_the_window_is_an_option(prometheus, tmp_path):
    path = write(tmp_path / "a.json", panel("Long", "vector($__range_s) > 4000"))
    assert verify("--prometheus", prometheus, path).returncode == 1
    assert verify("--prometheus", prometheus, path, "--window", 120).returncode == 0


def test_a_query_has_no_more_points_than_the_panel_allows(prometheus, tmp_path):
    expr = "vector($__interval_ms) == 720000"
    few = write(tmp_path / "few.json", panel("Few", expr, maxDataPoints=10))
    many = write(tmp_path / "many.json", panel("Many", expr))
    assert verify("--prometheus", prometheus, few, "--window", 120).returncode == 0
    assert verify("--prometheus", prometheus, many, "--window", 120).returncode == 1


def test_a_query_that_prometheus_rejects_fails_with_its_message(prometheus, tmp_path):
    done = verify("--prometheus", prometheus, write(tmp_path / "a.json", panel("Bad", "sum(")))
    assert done.returncode == 1
    assert "parse error" in done.stdout


@pytest.mark.parametrize("instant", [False, True])
def test_a_series_of_nan_counts_as_no_data(prometheus, tmp_path, instant):
    path = write(tmp_path / "a.json", panel("Idle", "prometheus_build_info * 0 / 0"))
    board = json.loads(path.read_text())
    board["panels"][0]["targets"][0]["instant"] = instant
    path.write_text(json.dumps(board))
    done = verify("--prometheus", prometheus, path)
    assert done.returncode == 1
    assert "EMPTY  a / Idle" in done.stdout


def test_panels_in_collapsed_rows_and_in_old_row_layouts_are_checked(prometheus, tmp_path):
    folded = {"type": "row", "title": "R", "panels": [panel("Inside", "nope_a")]}
    write(tmp_path / "a.json", folded)
    old = {"title": "Old", "rows": [{"title": "R", "panels": [panel("Below", "nope_b")]}]}
    (tmp_path / "b.json").write_text(json.dumps(old))
    done = verify("--prometheus", prometheus, tmp_path)
    assert "Inside: missing nope_a" in done.stdout
    assert "Below: missing nope_b" in done.stdout


@pytest.mark.parametrize(
    ("variable", "expr"),
    [
        ({"name": "job", "type": "query", "query": "label_values(up, job)"}, 'up{job="$job"}'),
        (
            {
                "name": "job",
                "type": "query",
                "query": {"query": "label_values(job)"},
                "multi": True,
            },
            'up{job=~"${job:regex}"}',
        ),
        (
            {"name": "job", "type": "query", "query": "x", "includeAll": True, "allValue": "its.*"},
            'up{job=~"[[job]]"}',
        ),
        ({"name": "job", "type": "custom", "query": "itself,other"}, 'up{job="$job"}'),
        ({"name": "job", "type": "constant", "query": "itself"}, 'up{job="$job"}'),
    ],
)
def test_variables_of_every_kind_are_replaced(prometheus, tmp_path, variable, expr):
    path = write(tmp_path / "a.json", panel("Up", expr), templating={"list": [variable]})
    done = verify("--prometheus", prometheus, path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_variable_can_be_set(prometheus, tmp_path):
    listed = {"list": [{"name": "job", "type": "constant", "query": "itself"}]}
    path = write(tmp_path / "a.json", panel("Up", 'up{job="$job"}'), templating=listed)
    assert verify("--prometheus", prometheus, path, "--var", "job=other").returncode == 1


def test_the_rate_interval_contains_four_scrapes(prometheus, tmp_path):
    expr = "rate(prometheus_http_requests_total[$__rate_interval])"
    path = write(tmp_path / "a.json", panel("Rate", expr))
    # A rate needs two scrapes, and a point of the range query behind them.
    wait_until(lambda: verify("--prometheus", prometheus, path).returncode == 0, 40)


def test_panels_only_for_docker_fail_only_on_request(prometheus, tmp_path):
    row = {"type": "row", "title": "Inside (docker)"}
    path = write(tmp_path / "a.json", row, panel("X", "nope"))
    done = verify("--prometheus", prometheus, path)
    assert done.returncode == 0
    assert "(1 of these only in docker)" in done.stdout
    assert verify("--prometheus", prometheus, path, "--docker").returncode == 1


def test_a_panel_without_an_address_of_its_backend_is_reported_as_skipped(prometheus, tmp_path):
    logs = panel("Logs", '{job="x"}', datasource={"type": "loki", "uid": "l"})
    done = verify("--prometheus", prometheus, write(tmp_path / "a.json", logs))
    assert "0 panels with rows" in done.stdout
    assert "1 skipped" in done.stdout


def test_the_junit_report_has_a_case_per_panel(prometheus, tmp_path):
    path = write(tmp_path / "a.json", panel("Good", "up"), panel("Bad", "nope"))
    verify("--prometheus", prometheus, path, "--junit", tmp_path / "j.xml")
    cases = {c.get("name"): c for c in ET.parse(tmp_path / "j.xml").getroot()}
    assert list(cases) == ["Good", "Bad"]
    assert cases["Good"].find("failure") is None
    assert "nope" in cases["Bad"].find("failure").get("message")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"panels": '])
def test_a_file_that_is_not_a_dashboard_is_named(prometheus, tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    done = verify("--prometheus", prometheus, path)
    assert done.returncode == 2
    assert "broken.json" in done.stderr


def test_an_unreachable_prometheus_is_reported_in_one_line(tmp_path):
    port = free_port()
    assert not is_listening(port)
    done = verify("--prometheus", f"http://127.0.0.1:{port}")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_help_names_every_option():
    help_text = verify("--help").stdout
    options = {"--prometheus", "--loki", "--tempo", "--json", "--junit", "--var"}
    assert options <= set(help_text.split())
