"""A taken port is named with its holder before anything starts."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from local.cli.ports import taken_ports
from local.settings import PORTS, LocalSettings
from local.supervisor.folder import MARKER
from local.supervisor.spawn import spawn
from tests.integration.local.conftest import STANDIN
from tools.free_ports import free_port_variables
from tools.servers import is_listening, wait_until


@pytest.fixture
def settings(tmp_path):
    environ = {**free_port_variables(), "ORDERS_STATE_DIR": str(tmp_path)}
    return LocalSettings.from_env(environ, tmp_path / ".env")


@pytest.fixture
def hold():
    held = []

    def start(port, **environ):
        process = spawn(
            [sys.executable, str(STANDIN), str(port)], environment={**os.environ, **environ}
        )
        held.append(process)
        wait_until(lambda: is_listening(port))
        return process

    yield start
    for process in held:
        process.kill()
        process.wait()


def test_free_ports_are_not_reported(settings):
    assert taken_ports(settings) == []


def test_a_free_port_is_found_for_every_variable():
    variables = free_port_variables()
    assert set(variables) == set(PORTS)
    assert len(set(variables.values())) == len(PORTS)


def test_a_port_of_a_third_party_process_is_reported_with_variable_and_process(settings, hold):
    holder = hold(settings.ports["PROMETHEUS_PORT"])
    (problem,) = taken_ports(settings)
    assert f"port {settings.ports['PROMETHEUS_PORT']}, for console" in problem
    assert f"process {holder.pid} (" in problem
    assert "standin.py" in problem
    assert "`make down` does not end it" in problem
    assert "PROMETHEUS_PORT moves it" in problem


def test_a_port_of_a_leftover_process_is_reported_as_ended_by_down(settings, hold):
    hold(settings.ports["MAIL_PORT"], **{MARKER: str(settings.state)})
    (problem,) = taken_ports(settings)
    assert "`make down` ends it" in problem


def test_a_port_of_another_local_mode_is_reported_with_its_state_folder(settings, hold):
    hold(settings.ports["MAIL_PORT"], **{MARKER: "/elsewhere/.state"})
    (problem,) = taken_ports(settings)
    assert "`make down ORDERS_STATE_DIR=/elsewhere/.state` ends it" in problem


def test_every_taken_port_is_reported(settings, hold):
    for variable in ("ORDERS_PORT", "OTLP_PORT"):
        hold(settings.ports[variable])
    assert len(taken_ports(settings)) == 2
    assert len(taken_ports(settings, ["OTLP_PORT", "MAIL_PORT"])) == 1


def test_a_port_taken_on_every_address_is_taken(settings):
    with socket.create_server(("0.0.0.0", settings.ports["ORDERS_PORT"])):
        assert len(taken_ports(settings)) == 1


def test_a_port_that_was_just_closed_is_free(settings):
    port = settings.ports["ORDERS_PORT"]
    with (
        socket.create_server(("127.0.0.1", port)) as server,
        socket.create_connection(("127.0.0.1", port)),
    ):
        server.accept()[0].close()
    assert taken_ports(settings, ["ORDERS_PORT"]) == []
