"""The stack without the sample, with an adopter's scrape jobs, rules and dashboards."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.request

import pytest

from local.supervisor.processes import members
from tools.free_ports import free_port_variables
from tools.servers import ROOT, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
COMMAND = [sys.executable, "-m", "local"]
SCRAPE = """scrape_configs:
  - {job_name: shop, scrape_interval: 1s, static_configs: [{targets: [%s]}]}
"""
RULES = """groups:
  - name: shop
    interval: 1s
    rules: [{record: "shop:up", expr: 'up{job="shop"}'}, {alert: Sold, expr: shop_sales_total > 2}]
"""


class Shop(http.server.BaseHTTPRequestHandler):
    """An adopter's program with one metric."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"shop_sales_total 3\n")

    def log_message(self, *words):
        pass


@pytest.fixture
def shop():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def environ(tmp_path, shop):
    board = {"uid": "shop", "title": "The shop", "panels": []}
    texts = {
        "SCRAPE_DIR": ("shop.yml", SCRAPE % shop),
        "RULES_DIR": ("shop.yml", RULES),
        "DASHBOARDS_DIR": ("shop.json", json.dumps(board)),
        "RUNBOOKS_DIR": ("Shop.md", "# Shop"),
    }
    folders = {name: tmp_path / name for name in texts}
    for name, (file, text) in texts.items():
        folders[name].mkdir()
        (folders[name] / file).write_text(text)
    inputs = {name: str(folder) for name, folder in folders.items()}
    # Characters that a shell, a glob and a configuration file could read as something else.
    state = tmp_path / 'it\'s a "state" [$HOME] `id`'
    more = {"ORDERS_STATE_DIR": str(state), "ORDERS_PROGRAMS_DIR": str(ROOT / ".state/programs")}
    return {**os.environ, **free_port_variables(), **inputs, **more, "SAMPLE": "off"}, state


def test_a_stack_for_ones_own_program_shows_its_metrics_and_dashboards(environ):
    variables, state = environ

    def run(*words):
        return subprocess.run(
            [*COMMAND, *words], check=False, env=variables, cwd=ROOT, capture_output=True, text=True
        )

    def get(port, path):
        url = f"http://127.0.0.1:{variables[port]}{path}"
        return json.load(urllib.request.urlopen(url, timeout=5))

    try:
        up = run("up")
        assert up.returncode == 0, up.stdout + up.stderr
        rows = {row["name"] for row in json.loads(run("status", "--json").stdout)}
        assert rows == {"prometheus", "alertmanager", "console", "supervisor"}
        for query in ("shop_sales_total", "shop:up"):
            path = f"/api/v1/query?query={query}"
            wait_until(lambda path=path: get("PROMETHEUS_PORT", path)["data"]["result"])
        alerts = "/api/v2/alerts?filter=alertname=Sold"
        wait_until(lambda: get("ALERTMANAGER_PORT", alerts), 60)
        boards = get("GRAFANA_PORT", "/api/dashboards")["dashboards"]
        assert [board["title"] for board in boards] == ["The shop"]
    finally:
        down = run("down")
    assert down.returncode == 0
    assert members(state) == []
