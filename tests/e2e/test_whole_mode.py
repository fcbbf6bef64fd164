"""The local mode with its real processes, from `up` to `down`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from local.state import StateFolder
from local.supervisor.plan import Plan
from local.supervisor.processes import members
from tools.free_ports import free_port_variables
from tools.servers import ROOT, is_listening, release_shared_memory, wait_until
from worker.app import HARD_SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
COMMAND = [sys.executable, "-m", "local"]


class Mode:
    """A private local mode."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.ports = free_port_variables()
        self.environ = {
            **os.environ,
            **self.ports,
            "ORDERS_STATE_DIR": str(state),
            "ORDERS_PROGRAMS_DIR": ".state/programs",
            "ORDERS_LOAD_RATE": "5",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            check=False,
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
        )

    def rows(self) -> dict[str, dict]:
        return {row["name"]: row for row in json.loads(self.run("status", "--json").stdout)}


@pytest.fixture(scope="module")
def mode():
    state = Path(tempfile.mkdtemp(prefix="sl-mode-"))
    mode = Mode(state)
    try:
        yield mode
    finally:
        mode.run("down")
        release_shared_memory(state / "postgres")
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def started(mode):
    done = mode.run("up")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_up_prints_the_addresses_and_both_figures(mode, started):
    for variable in ("ORDERS_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "MAIL_PORT"):
        assert f"http://127.0.0.1:{mode.ports[variable]}" in started
    assert re.search(r"first order seen in the console after \d+\.\d s", started)
    assert re.search(r"memory \d+ MB", started)
    assert "SLO profile: demo" in started
    assert "does not replace the stack" in started


def test_every_process_is_ready_and_the_total_memory_is_that_of_up(mode, started):
    status = mode.run("status", "--json")
    rows = {row["name"]: row for row in json.loads(status.stdout)}
    assert status.returncode == 0, status.stdout
    assert {name for name, row in rows.items() if row["state"] == "done"} == {"migrate"}
    assert all(row["memory_mb"] > 1 for name, row in rows.items() if name != "migrate")
    assert 100 < sum(row["memory_mb"] for row in rows.values()) < 600


def test_every_job_is_scraped(mode, started):
    def healths():
        url = f"http://127.0.0.1:{mode.ports['PROMETHEUS_PORT']}/api/v1/targets"
        targets = json.load(urllib.request.urlopen(url, timeout=5))["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in targets}

    wait_until(lambda: set(healths().values()) == {"up"}, 60)
    assert set(healths()) >= {"orders", "orders-worker", "orders-relay", "payment-provider"}


def test_a_running_task_may_end_before_its_worker_is_killed(mode, started):
    plan = Plan.load(mode.state / "plan.json")
    (worker,) = (child for child in plan.children if child.name == "orders-worker")
    assert worker.grace_seconds > HARD_SECONDS


def test_every_port_is_on_loopback(mode, started):
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for lines in tables for line in lines]
    listening = [row[1].rpartition(":") for row in rows if row[3] == "0A"]
    ports = {int(port) for port in mode.ports.values()}
    found = {int(port, 16): address for address, _, port in listening if int(port, 16) in ports}
    assert int(mode.ports["ORDERS_METRICS_PORT"]) in found
    assert set(found.values()) == {"0100007F"}


@pytest.mark.parametrize("name", ["orders", "orders-worker", "orders-relay", "broker", "postgres"])
def test_a_killed_process_is_restarted(mode, started, name):
    before = mode.rows()[name]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: mode.rows()[name]["restarts"] == before["restarts"] + 1, 30)
    wait_until(lambda: mode.run("status").returncode == 0, 60)
    assert mode.rows()[name]["pid"] != before["pid"]


def test_a_killed_supervisor_leaves_no_processes(mode, started):
    os.kill(StateFolder(mode.state).read_report()["pid"], signal.SIGKILL)
    wait_until(lambda: members(mode.state) == [], 30)
    assert not any(is_listening(int(port)) for port in mode.ports.values())


def test_up_restarts_after_a_kill_and_down_leaves_nothing(mode, started):
    wait_until(lambda: members(mode.state) == [], 30)
    again = mode.run("up")
    assert again.returncode == 0, again.stdout[-4000:] + again.stderr[-4000:]
    os.kill(StateFolder(mode.state).read_report()["pid"], signal.SIGKILL)
    assert mode.run("down").returncode == 0
    assert members(mode.state) == []
    assert not any(is_listening(int(port)) for port in mode.ports.values())
