"""The command line: output and exit codes."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys

import pytest
import redis

from local.servers.passwords import NAMES, ensure_passwords, write_redis_passwords
from local.settings import PORTS
from local.state import StateFolder
from local.supervisor.logfiles import last_lines, rotate
from local.supervisor.plan import Probe
from local.supervisor.processes import members
from simulators.load import read_rate
from tests.integration.local.conftest import shell, standin
from tools.free_ports import free_port_variables
from tools.servers import ROOT, running_redis, wait_until


@pytest.fixture
def environ(tmp_path):
    kept = {name: text for name, text in os.environ.items() if name not in PORTS}
    state = {
        "ORDERS_STATE_DIR": str(tmp_path),
        "ORDERS_PROGRAMS_DIR": str(ROOT / ".state/programs"),
    }
    return {**kept, **free_port_variables(), **state}


@pytest.fixture
def run(environ):
    def run_command(*words, **more):
        return subprocess.run(
            [sys.executable, "-m", "local", *words],
            check=False,
            env={**environ, **more},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run_command


def test_help_explains_every_command(run):
    shown = run("--help")
    assert shown.returncode == 0
    for command in ("up", "down", "status", "doctor", "logs", "load", "render"):
        assert f"  {command} " in shown.stdout


def test_all_bad_settings_are_reported_and_nothing_starts(run, tmp_path):
    done = run("up", ORDERS_PORT="x", SLO_PROFILE="y")
    assert done.returncode == 2
    assert "ORDERS_PORT='x'" in done.stderr
    assert "SLO_PROFILE='y'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "plan.json").exists()


def test_a_taken_port_stops_up_before_anything_starts(run, environ, tmp_path):
    with socket.create_server(("127.0.0.1", int(environ["GRAFANA_PORT"]))):
        done = run("up")
    assert done.returncode == 2
    assert f"port {environ['GRAFANA_PORT']}, for console, is taken by process {os.getpid()}" in (
        done.stderr
    )
    assert "GRAFANA_PORT moves it" in done.stderr
    assert not (tmp_path / "plan.json").exists()


def test_a_state_folder_that_is_a_file_is_reported_in_one_line(run, tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file/below"):
        done = run("up", ORDERS_STATE_DIR=str(path))
        assert done.returncode == 2
        assert done.stderr.startswith(f"the state folder {path} cannot be used: not a folder")
        assert "ORDERS_STATE_DIR names another folder" in done.stderr
        assert "Traceback" not in done.stderr
        assert run("status", ORDERS_STATE_DIR=str(path)).returncode == 3


@pytest.mark.parametrize("options", ["ro", "size=4k,nr_inodes=1"])
def test_a_state_folder_that_cannot_be_written_is_reported_in_one_line(run, tmp_path, options):
    folder = tmp_path / "mounted"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount")
    try:
        done = run("up", ORDERS_STATE_DIR=str(folder))
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert done.returncode == 2
    expected = "Read-only file system" if options == "ro" else "No space left on device"
    assert f"the state folder {folder} cannot be used: {expected}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_state_folder_is_closed_to_other_users(run, tmp_path):
    tmp_path.chmod(0o755)
    run("up", PROMETHEUS_BIN="/nowhere/prometheus")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("phase", ["prepares", "waits"])
def test_down_ends_an_up_that_is_not_finished(run, environ, tmp_path, phase):
    """Here it waits for a Redis that never becomes ready."""
    hanging = tmp_path / "redis-server"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    up = subprocess.Popen(
        [sys.executable, "-m", "local", "up"],
        env={**environ, "REDIS_SERVER_BIN": str(hanging)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    state = StateFolder(tmp_path)
    wait_until(
        state.is_running if phase == "waits" else lambda: state.path.joinpath("up.lock").exists()
    )
    stopped = run("down")
    _, errors = up.communicate(timeout=30)
    assert up.returncode == 130
    assert errors.strip() == "interrupted before everything was ready"
    assert stopped.returncode == 0
    assert f"interrupting `up` (process {up.pid})" in stopped.stdout
    assert members(tmp_path) == []
    assert not state.is_running()


def test_up_names_the_child_that_failed_its_log_and_its_last_lines(run, tmp_path):
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho this redis is broken\nexit 4\n")
    broken.chmod(0o755)
    done = run("up", REDIS_SERVER_BIN=str(broken))
    assert done.returncode == 1
    assert "ended with exit code 4 before it was ready" in done.stderr
    assert str(tmp_path / "logs") in done.stderr
    assert "  | this redis is broken" in done.stderr
    assert members(tmp_path) == []


def test_a_wrong_program_path_in_a_setting_is_reported(run):
    done = run("up", PROMETHEUS_BIN="/nowhere/prometheus")
    assert done.returncode == 2
    assert "/nowhere/prometheus is not an executable file" in done.stderr


def test_status_and_down_report_that_nothing_is_running(run):
    status = run("status")
    assert status.returncode == 3
    assert "not running" in status.stdout
    assert json.loads(run("status", "--json").stdout) == []
    down = run("down")
    assert (down.returncode, down.stdout) == (0, "nothing was running\n")


def test_status_shows_a_row_per_child(run, supervise):
    running = supervise(standin("server"), shell("task", "true", once=True))
    running.wait_ready()
    well = run("status", JSON="1")
    rows = {row["name"]: row for row in json.loads(well.stdout)}
    assert well.returncode == 0
    assert {name: row["state"] for name, row in rows.items()} == {
        "server": "ready",
        "task": "done",
        "supervisor": "ready",
    }
    assert rows["server"]["address"].startswith("127.0.0.1:")
    assert rows["server"]["memory_mb"] > 1
    assert rows["server"]["restarts"] == 0
    table = run("status").stdout
    assert table.splitlines()[0].split() == ["NAME", "STATE", "ADDRESS", "MEMORY", "RESTARTS"]


def test_status_probes_the_children_and_fails_if_one_is_unhealthy(run, supervise, tmp_path):
    probed = shell(
        "probed",
        "sleep 60",
        probe=Probe("command", command=("test", "-e", f"{tmp_path}/fine")),
    )
    (tmp_path / "fine").touch()
    running = supervise(probed)
    running.wait_ready()
    assert run("status").returncode == 0
    (tmp_path / "fine").unlink()
    ill = run("status")
    assert ill.returncode == 1
    assert "unhealthy" in ill.stdout


def test_a_second_up_shows_the_status_and_succeeds(run, supervise):
    running = supervise(standin("server"))
    running.wait_ready()
    done = run("up")
    assert done.returncode == 0
    assert done.stdout.startswith("already running\n")
    assert "server" in done.stdout
    assert running.phase() == "ready"


def test_logs_prints_the_last_lines_of_one_process_or_of_all(run, supervise):
    running = supervise(shell("left", "seq 100; sleep 60"), shell("right", "echo hello; sleep 60"))
    running.wait_ready()
    wait_until(lambda: running.state.log("left").read_text().endswith("100\n"))
    assert run("logs", "left", "-n", "2").stdout == "99\n100\n"
    assert "right            | hello\n" in run("logs").stdout
    unknown = run("logs", "middle")
    assert unknown.returncode == 2
    assert "no log of 'middle'; there are: left, right" in unknown.stderr


def test_logs_follows_new_lines(run, environ, supervise, tmp_path):
    loop = f"until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo went; sleep 60"
    supervise(shell("walker", loop)).wait_ready()
    command = [sys.executable, "-m", "local", "logs", "walker", "--follow"]
    follower = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        (tmp_path / "go").touch()
        assert follower.stdout.readline() == "went\n"
    finally:
        follower.terminate()
        follower.communicate()


def test_load_writes_the_rate_that_the_load_generator_reads(run, tmp_path):
    assert run("load", "25").returncode == 0
    assert read_rate(StateFolder(tmp_path).load, 1) == 25
    refused = run("load", "-3")
    assert refused.returncode == 2
    assert read_rate(StateFolder(tmp_path).load, 1) == 25


def test_passwords_are_random_private_and_created_once(tmp_path):
    state = StateFolder(tmp_path)
    ensure_passwords(state)
    first = {name: state.secret(name).read_text() for name in NAMES}
    ensure_passwords(state)
    assert {name: state.secret(name).read_text() for name in NAMES} == first
    assert len(set(first.values())) == len(NAMES)
    assert {stat.S_IMODE(state.secret(n).stat().st_mode) for n in NAMES} == {0o600}
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_redis_reads_the_password_file_whatever_its_characters(tmp_path):
    state = StateFolder(tmp_path)
    ensure_passwords(state)
    password = 'it\'s "quoted" \\ \\n $x `y` # ü '
    state.secret("cache").write_text(password)
    write_redis_passwords(state)
    with running_redis(state.path / "cache") as server:
        assert redis.Redis(port=server.port, password=password).ping()


def test_a_log_file_is_rotated_while_its_writer_keeps_writing(tmp_path):
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        assert rotate(log, max_bytes=100)
        writer.write(b"new\n")
        assert not rotate(log, max_bytes=100)
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"old\n" * 100
    assert last_lines(tmp_path / "x.log.1", 2) == ["old", "old"]
    assert last_lines(tmp_path / "none.log", 2) == []
