"""The doctor names what prevents a start, and what to do."""

from __future__ import annotations

import os
import socket

import pytest

from local.cli import doctor
from local.cli.docker_mode import Engine
from local.settings import LocalSettings
from tools.free_ports import free_port_variables
from tools.servers import ROOT


@pytest.fixture
def findings(tmp_path):
    """Run the checks with these variables; return the texts of the problems by check."""

    def run(engine=None, **variables):
        environ = {
            "PATH": os.environ["PATH"],
            **free_port_variables(),
            "ORDERS_STATE_DIR": str(tmp_path / "state"),
            "ORDERS_PROGRAMS_DIR": str(ROOT / ".state/programs"),
            **variables,
        }
        settings = LocalSettings.from_env(environ, tmp_path / ".env")
        found = doctor.diagnose(settings, engine)
        return {one.name: one.text for one in found if one.is_problem}

    return run


def test_nothing_prevents_a_start_here(findings):
    assert findings() == {}


def test_a_taken_port_is_named_with_its_holder(findings):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        (problem,) = findings(MAIL_PORT=port).values()
    assert f"port {port}, for console, is taken by process {os.getpid()}" in problem
    assert "MAIL_PORT moves it" in problem


def test_a_state_folder_that_is_a_file_is_a_problem(findings, tmp_path):
    (tmp_path / "state").touch()
    assert "set ORDERS_STATE_DIR" in findings()["state folder"]


def test_too_little_memory_and_disk_are_problems(findings, monkeypatch):
    monkeypatch.setattr(doctor, "MEMORY_NEEDED", 1e15)
    monkeypatch.setattr(doctor, "DISK_NEEDED", 1e15)
    assert set(findings()) == {"memory", "disk"}


def test_a_missing_program_that_cannot_be_fetched_is_a_problem(findings, tmp_path):
    problem = findings(ORDERS_PROGRAMS_DIR=str(tmp_path), PATH=str(tmp_path))["programs"]
    assert "redis-server" in problem
    assert "no apt-get or dpkg" in problem


def test_a_program_that_a_setting_names_wrongly_is_a_problem(findings):
    assert "/nowhere/redis" in findings(REDIS_SERVER_BIN="/nowhere/redis")["programs"]


def test_a_proxy_that_does_not_answer_is_a_problem(findings):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        assert findings(HTTPS_PROXY=url) == {}
    assert "HTTPS_PROXY does not answer" in findings(HTTPS_PROXY=url)["proxy"]


def test_an_engine_that_is_too_old_is_a_problem(findings):
    assert "found 2.1" in findings(Engine(8 * 1024**3, (2, 1)))["Docker"]


def test_a_locale_without_utf_8_is_a_problem(findings, monkeypatch):
    monkeypatch.setattr(doctor.locale, "getpreferredencoding", lambda **_: "ISO-8859-1")
    assert "export LC_ALL=C.UTF-8" in findings()["locale"]


@pytest.mark.parametrize(("memory", "code"), [(1, 0), (1e15, 1)])
def test_the_exit_code_says_whether_a_start_is_possible(
    findings, monkeypatch, tmp_path, capsys, memory, code
):
    monkeypatch.setattr(doctor, "MEMORY_NEEDED", memory)
    environ = {"PATH": os.environ["PATH"], **free_port_variables()}
    more = {"ORDERS_STATE_DIR": str(tmp_path / "state")}
    settings = LocalSettings.from_env({**environ, **more}, tmp_path / ".env")
    assert doctor.doctor(settings, None) == code
    shown = capsys.readouterr().out
    assert ("nothing prevents a start" in shown) == (code == 0)
    assert ("close programs" in shown) == (code == 1)
