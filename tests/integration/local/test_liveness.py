"""A child that no longer answers is restarted, although its process still runs."""

from __future__ import annotations

import os
import resource
import signal
import time

import pytest

from local.supervisor.plan import Child, Probe
from tests.integration.local.conftest import shell, standin
from tools.servers import PROGRAMS, free_port, wait_until

PATIENCE = 1.0


@pytest.fixture
def web(tmp_path):
    """A child that answers 200, or 503 while the file `sick` exists."""
    child = standin("web", "http", str(tmp_path / "sick"), live_seconds=PATIENCE, grace_seconds=0.3)
    probe = Probe("http", child.probe.port)
    return Child(**vars(child) | {"probe": probe, "live": probe})


def test_a_child_that_is_stopped_is_restarted_and_counted(supervise, web):
    running = supervise(web, shell("other", "sleep 60"))
    running.wait_ready()
    before = running.child("web")["pid"]
    os.kill(before, signal.SIGSTOP)
    wait_until(lambda: running.child("web")["restarts"] == 1)
    wait_until(lambda: running.child("web")["state"] == "ready")
    assert running.child("web")["pid"] != before
    assert "web: restarting no answer for " in running.output()
    assert running.child("other")["restarts"] == 0


def test_a_child_that_reports_that_it_is_not_live_is_restarted(supervise, web, tmp_path):
    running = supervise(web)
    running.wait_ready()
    (tmp_path / "sick").touch()
    wait_until(lambda: running.child("web")["restarts"] == 1)
    (tmp_path / "sick").unlink()
    wait_until(lambda: running.child("web")["state"] == "ready")


def test_a_restarted_child_that_never_answers_is_restarted_again(supervise, tmp_path):
    """Its process runs and never listens, as after a deadlock at its start."""
    port, flag = free_port(), tmp_path / "hang"
    listen = standin("web", "http", str(tmp_path / "sick")).command
    line = f"[ -e {flag} ] && exec sleep 60; exec {listen[0]} {listen[1]} {port} http -"
    probe = Probe("http", port)
    limits = {"live_seconds": PATIENCE, "ready_seconds": 3, "grace_seconds": 0.3}
    running = supervise(shell("web", line, probe=probe, live=probe, **limits))
    running.wait_ready()
    flag.touch()
    os.kill(running.child("web")["pid"], signal.SIGKILL)
    wait_until(lambda: running.child("web")["restarts"] == 2)
    flag.unlink()
    wait_until(lambda: running.child("web")["state"] == "ready")


def test_a_pause_of_the_whole_machine_restarts_no_child(supervise, web):
    running = supervise(web)
    running.wait_ready()
    pids = [running.process.pid, running.child("web")["pid"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3 * PATIENCE)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    time.sleep(2 * PATIENCE)
    assert running.child("web")["restarts"] == 0
    assert running.child("web")["pid"] == pids[1]


def test_a_supervisor_without_descriptors_restarts_no_child(supervise, web):
    running = supervise(web)
    running.wait_ready()
    limits = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    time.sleep(3 * PATIENCE)
    resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, limits)
    assert running.process.poll() is None
    assert running.child("web")["restarts"] == 0


def test_a_redis_that_refuses_the_password_is_live(supervise):
    """It answers with an error, as it also does while it reads a long append-only file."""
    port = free_port()
    command = (str(PROGRAMS.find("redis-server")), "--port", str(port), "--requirepass", "x")
    probe = Probe("redis", port, password_file=__file__)
    child = Child("redis", (*command, "--save", ""), live=probe, live_seconds=PATIENCE)
    running = supervise(child)
    running.wait_ready()
    time.sleep(2 * PATIENCE)
    assert running.child("redis")["restarts"] == 0
