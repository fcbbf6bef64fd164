"""The pages, the files that the console serves, and the queries that it forwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local.cli.errors import RefusedError
from local.cli.render import read_dashboard
from tests.consoles import Running
from tools.servers import running_prometheus

PAGES = (
    *("/", "/explore", "/traces", "/trace/abc", "/logs", "/alerts", "/alerts/rules"),
    *("/runbook/Any", "/mails", "/dashboards", "/d/any", "/d/any/slug"),
)
STATIC = Path(__file__).resolve().parents[3] / "local" / "console" / "static"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_and_loads_only_what_the_console_serves(console: Running, path: str) -> None:
    answer = console.get(path)
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = answer.body.decode()
    assert "http://" not in page.replace("http://127.0.0.1:8000", "")
    assert "https://" not in page
    assert " style=" not in page
    assert "onclick" not in page


def test_every_page_shows_the_mode_and_the_profile(start_console: Callable[..., Running]) -> None:
    page = start_console(SLO_PROFILE="production").get("/logs").body.decode()
    assert "local mode" in page
    assert "<b>production</b>" in page


def test_the_scripts_never_parse_text_as_markup() -> None:
    scripts = sorted((STATIC / "js").rglob("*.js"))
    assert len(scripts) > 20
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, f"{script.name} uses {word}"


def test_the_chart_library_comes_with_its_license() -> None:
    folder = STATIC / "vendor" / "echarts"
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert (folder / "NOTICE").exists()


def test_a_script_with_a_version_is_cached_and_one_without_is_revalidated(
    console: Running,
) -> None:
    path = "/static/js/theme.js"
    assert "max-age=31536000" in console.get(path, v="1").headers["Cache-Control"]
    assert console.get(path).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", ["../slo", "..%2Fslo", "%2Fetc%2Fpasswd", "a.md", "nothing"])
def test_a_runbook_is_only_served_from_its_folder(
    start_console: Callable[..., Running], tmp_path: Path, name: str
) -> None:
    (tmp_path / "slo.md").write_text("secret")
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "OrdersDown.md").write_text("# Meaning")
    console = start_console(RUNBOOKS_DIR=str(tmp_path / "runbooks"))
    assert console.json("/api/runbooks/orders-down")["markdown"] == "# Meaning"
    assert console.get(f"/api/runbooks/{name}").status == 404


def test_dashboards_are_reread_and_a_broken_file_is_listed_with_its_problem(
    start_console: Callable[..., Running], tmp_path: Path
) -> None:
    console = start_console(DASHBOARDS_DIR=str(tmp_path))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    (tmp_path / "folder.json").mkdir()
    odd = {"title": {}, "tags": 5, "panels": [None, {"panels": 7, "targets": {}}], "links": "no"}
    (tmp_path / "odd.json").write_text(json.dumps(odd))
    (tmp_path / "good.json").write_text(json.dumps({"uid": "good", "title": "A", "panels": []}))
    listed = {one["file"]: one["problem"] for one in console.json("/api/dashboards")["dashboards"]}
    assert listed["good.json"] == ""
    assert listed["odd.json"] == ""
    assert listed["broken.json"].startswith("broken.json: Expecting property name")
    assert "expected a Grafana dashboard" in listed["other.json"]
    assert "nested too deeply" in listed["deep.json"]
    assert "symbolic links" in listed["loop.json"]
    assert "directory" in listed["folder.json"]
    (tmp_path / "good.json").write_text(json.dumps({"uid": "good", "title": "B", "panels": []}))
    assert console.json("/api/dashboards/good")["title"] == "B"
    assert console.get("/api/dashboards/absent").status == 404
    broken = console.get("/api/dashboards/broken")
    assert broken.status == 422
    assert "Expecting property name" in broken.body.decode()


def test_a_single_tag_is_listed_as_a_list(
    start_console: Callable[..., Running], tmp_path: Path
) -> None:
    console = start_console(DASHBOARDS_DIR=str(tmp_path))
    (tmp_path / "a.json").write_text(json.dumps({"title": "A", "panels": [], "tags": "orders"}))
    assert console.json("/api/dashboards")["dashboards"][0]["tags"] == ["orders"]


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_render_names_a_file_that_is_not_a_dashboard(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(RefusedError, match=r"a\.json") as raised:
        read_dashboard(path)
    assert raised.value.exit_code == 2


def test_errors_of_prometheus_reach_the_page(
    start_console: Callable[..., Running], tmp_path: Path
) -> None:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with running_prometheus(folder, "global: {scrape_interval: 1s}\n") as url:
        console = start_console(PROMETHEUS_SERVER_PORT=url.rsplit(":", 1)[1])
        good = console.json("/api/prometheus/api/v1/query", query="1 + 1")
        assert good["data"]["result"][1] == "2"
        bad = console.get("/api/prometheus/api/v1/query", query="rate(up")
        assert bad.status == 400
        assert "unclosed left parenthesis" in bad.json["error"]
        assert console.get("/api/prometheus/api/v1/admin/tsdb/snapshot").status == 404
        assert console.get("/api/prometheus/-/quit").status == 404


def test_a_prometheus_that_is_down_is_reported_with_its_address(
    start_console: Callable[..., Running],
) -> None:
    answer = start_console(PROMETHEUS_SERVER_PORT="1").get(
        "/api/prometheus/api/v1/query", query="up"
    )
    assert answer.status == 502
    assert "Prometheus at 127.0.0.1:1" in answer.json["error"]


def test_a_page_preloads_every_script_that_it_needs(console: Running) -> None:
    page = console.get("/d/any").body.decode()
    for script in ("frame.js", "dash/query.js", "panels/heatmap.js", "tree.js"):
        assert f'<link rel="modulepreload" href="/static/js/{script}">' in page
    assert "complete.js" not in page
