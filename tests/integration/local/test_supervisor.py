"""The supervisor: a real one, with small stand-in servers."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from local.cli.down import down
from local.supervisor.folder import Folder
from local.supervisor.plan import Child, Plan, PlanError, Probe
from local.supervisor.processes import all_processes, family, members
from tests.integration.local.conftest import shell, standin
from tools.servers import ROOT, is_listening, wait_until


def log_of(running, name):
    return running.state.log(name).read_text()


def test_a_child_starts_when_what_it_needs_is_ready(supervise, tmp_path):
    first = shell("first", f"sleep 0.5; touch {tmp_path}/made", once=True)
    second = shell("second", f"ls {tmp_path}/made; sleep 60", needs=("first",))
    running = supervise(second, first)
    running.wait_ready()
    assert running.child("first")["state"] == "done"
    assert running.child("first")["pid"] is None
    wait_until(lambda: f"{tmp_path}/made\n" == log_of(running, "second"))


def test_independent_children_start_together(supervise, tmp_path):
    meet = "touch {0}/{1}; until [ -e {0}/{2} ]; do sleep 0.05; done"
    running = supervise(
        shell("left", meet.format(tmp_path, "l", "r"), once=True),
        shell("right", meet.format(tmp_path, "r", "l"), once=True),
    )
    running.wait_ready()


def test_a_dead_child_is_restarted_and_counted(supervise):
    running = supervise(standin("server", "forks"), shell("other", "sleep 60"))
    running.wait_ready()
    before = running.child("server")["pid"]
    workers = family([before], all_processes()) - {before}
    assert len(workers) == 2
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: running.child("server")["restarts"] == 1)
    wait_until(lambda: running.child("server")["state"] == "ready")
    assert running.child("server")["pid"] != before
    assert not workers & set(all_processes())
    assert running.child("other")["restarts"] == 0
    assert running.phase() == "ready"


def test_a_child_that_keeps_dying_is_restarted_less_and_less_often(supervise, tmp_path):
    starts = tmp_path / "starts"
    supervise(shell("brief", f"date +%s.%N >> {starts}; sleep 0.2"))
    wait_until(lambda: starts.exists() and len(starts.read_text().split()) == 4, 20)
    times = [float(start) for start in starts.read_text().split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == sorted(gaps)


def test_a_restart_that_fails_is_tried_again(supervise, tmp_path):
    """The program is gone for a moment, as while a package is upgraded."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    running = supervise(Child("server", (str(program),)))
    running.wait_ready()
    program.rename(tmp_path / "moved")
    os.kill(running.child("server")["pid"], signal.SIGKILL)
    wait_until(lambda: "cannot start" in running.child("server")["message"])
    (tmp_path / "moved").rename(program)
    wait_until(lambda: running.child("server")["state"] == "ready")
    assert running.phase() == "ready"


def test_a_child_that_never_becomes_ready_stops_everything_and_is_reported(supervise):
    bad = shell("bad", "echo no such luck; exit 7", probe=Probe("tcp", 1))
    running = supervise(standin("good"), bad)
    assert running.process.wait(20) == 1
    report = running.state.read_report()
    assert report["failure"] == "bad: ended with exit code 7 before it was ready"
    assert {c["name"]: c["state"] for c in report["children"]} == {
        "good": "stopped",
        "bad": "failed",
    }
    assert members(running.state.path) == []
    assert log_of(running, "bad") == "no such luck\n"


def test_a_child_that_is_not_ready_in_time_stops_everything(supervise):
    slow = shell("slow", "sleep 60", probe=Probe("tcp", 1), ready_seconds=0.5)
    running = supervise(slow)
    assert running.process.wait(20) == 1
    assert running.state.read_report()["failure"] == "slow: not ready within 0.5 s"
    assert running.child("slow")["state"] == "failed"


def test_a_program_that_does_not_exist_is_reported(supervise):
    running = supervise(Child("ghost", ("/nowhere/ghost",)))
    assert running.process.wait(20) == 1
    assert "ghost: cannot start" in running.state.read_report()["failure"]


def test_a_child_that_dies_soon_after_it_was_ready_does_not_fail_the_start(supervise, tmp_path):
    once = f"[ -e {tmp_path}/was ] || {{ touch {tmp_path}/was; exec sleep 0.4; }}; exit 3"
    running = supervise(shell("flaky", once), standin("server"))
    wait_until(lambda: running.child("flaky").get("restarts", 0) >= 2)
    assert running.phase() == "ready"


def test_dependents_are_stopped_first(supervise, tmp_path):
    note = "trap 'echo {0} >> {1}/order; exit' TERM; while :; do sleep 0.05; done"
    running = supervise(
        shell("base", note.format("base", tmp_path)),
        shell("middle", note.format("middle", tmp_path), needs=("base",)),
        shell("top", note.format("top", tmp_path), needs=("middle",)),
    )
    running.wait_ready()
    assert down(running.state)
    assert (tmp_path / "order").read_text().split() == ["top", "middle", "base"]


def test_a_child_that_ignores_signals_is_killed_after_its_grace_time(supervise):
    running = supervise(standin("deaf", "forks", "stubborn", grace_seconds=0.5))
    running.wait_ready()
    assert down(running.state)
    assert running.process.wait(10) == 0
    assert members(running.state.path) == []


@pytest.mark.parametrize("words", [("forks",), ("forks", "stubborn")])
def test_down_ends_the_leftovers_of_a_killed_supervisor(supervise, words, capsys):
    server = standin("server", *words)
    running = supervise(server, standin("other"))
    running.wait_ready()
    running.process.kill()
    running.process.wait()
    assert down(running.state)
    assert members(running.state.path) == []
    assert not is_listening(server.probe.port)
    if "stubborn" in words:
        assert "left over: process" in capsys.readouterr().out


def test_children_die_with_a_killed_supervisor(supervise):
    running = supervise(standin("server", "forks"))
    running.wait_ready()
    running.process.kill()
    running.process.wait()
    wait_until(lambda: members(running.state.path) == [])


def test_down_leaves_other_processes_alone(supervise, tmp_path_factory):
    from local.supervisor.spawn import spawn

    other = spawn(["sleep", "60"], environment={"SIGHTLINE_STATE": "/somewhere/else"})
    try:
        running = supervise(shell("mine", "sleep 60"))
        running.wait_ready()
        running.process.kill()
        assert down(running.state)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_second_supervisor_of_the_same_folder_exits(supervise):
    running = supervise(standin("server"))
    running.wait_ready()
    assert supervise(standin("server")).process.wait(10) == 3
    assert running.phase() == "ready"


def test_a_full_disk_ends_neither_the_children_nor_their_care(supervise):
    """No process may write to a file while the limit holds: what a full disk does."""
    running = supervise(standin("server", "http", "-"), shell("other", "sleep 60"))
    running.wait_ready()
    supervisor, before = running.process.pid, running.child("server")["pid"]
    port = int(running.child("server")["address"].partition(":")[2])
    limits = resource.prlimit(supervisor, resource.RLIMIT_FSIZE)
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (0, limits[1]))
    children = family([supervisor], all_processes())
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: family([supervisor], all_processes()) - children and is_listening(port))
    assert running.child("server")["pid"] == before
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, limits)
    wait_until(lambda: running.child("server")["restarts"] == 1)
    assert running.child("server")["pid"] != before
    assert running.process.poll() is None


def test_needs_in_a_circle_are_refused():
    with pytest.raises(PlanError, match="circle"):
        Plan((Child("a", ("x",), needs=("b",)), Child("b", ("x",), needs=("a",))))


def test_an_unknown_need_is_refused():
    with pytest.raises(PlanError, match="unknown needs: c"):
        Plan((Child("a", ("x",), needs=("c",)),))


def test_a_saved_plan_is_loaded_unchanged(tmp_path):
    plan = Plan((standin("a"), shell("b", "true", needs=("a",), environment={"X": "ü"})))
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600


def test_the_supervisor_runs_when_its_folder_is_copied_alone(tmp_path):
    shutil.copytree(ROOT / "local/supervisor", tmp_path / "keeper")
    state = Folder(tmp_path / "state")
    Plan((shell("task", "echo done", once=True), shell("server", "sleep 60"))).save(state.plan)
    process = subprocess.Popen(
        [sys.executable, "-m", "keeper", str(state.path), str(tmp_path)], cwd=tmp_path
    )
    try:
        wait_until(lambda: state.read_report().get("phase") == "ready")
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert state.log("task").read_text() == "done\n"
