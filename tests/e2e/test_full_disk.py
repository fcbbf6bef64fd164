"""A disk that fills up under load ends no order, and the system comes back when there is room."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from local.state import StateFolder
from tests.e2e.system import System
from tools.free_ports import free_port_variables
from tools.servers import ROOT, release_shared_memory, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(500)]
FULL_SECONDS = 25


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own for the state folder."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=220m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def system(disk):
    state = disk / "state"
    environ = {
        **os.environ,
        **free_port_variables(),
        "ORDERS_STATE_DIR": str(state),
        "ORDERS_PROGRAMS_DIR": str(ROOT / ".state/programs"),
        "ORDERS_LOAD_RATE": "5",
    }
    system = System(environ, state)
    try:
        up = system.run("up")
        assert up.returncode == 0, up.stdout + up.stderr
        yield system
    finally:
        system.run("down")
        release_shared_memory(state / "postgres")


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return


def test_the_system_comes_back_by_itself_and_loses_no_order(system, disk):
    before = [system.place_order(uuid.uuid4().hex)["id"] for _ in range(5)]
    supervisor = StateFolder(system.state).read_report()["pid"]
    fill(disk / "filling")
    time.sleep(FULL_SECONDS)
    assert StateFolder(system.state).is_running()
    (disk / "filling").unlink()
    wait_until(lambda: system.run("status").returncode == 0, 200, 2)
    assert StateFolder(system.state).read_report()["pid"] == supervisor
    after = system.place_order(uuid.uuid4().hex)["id"]
    for order in (*before, after):
        wait_until(lambda order=order: system.order(order)["status"] != "pending", 90, 1)
