"""The console's settings and its process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.console.settings import ConsoleSettings
from observability.instrumentation.environment import SettingsError
from tests.consoles import PORTS, ask

FREE = dict.fromkeys(PORTS, "0")


def start(tmp_path: Path, **variables: str) -> subprocess.Popen[str]:
    environ = {**os.environ, **FREE, "ORDERS_STATE_DIR": str(tmp_path), **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "local.console"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_bad_variable_is_reported_at_once() -> None:
    bad = {"GRAFANA_PORT": "many", "OTLP_PORT": "70000", "SLO_PROFILE": "test"}
    with pytest.raises(SettingsError) as caught:
        ConsoleSettings.from_env(bad)
    for name, value in bad.items():
        assert f"{name}={value!r}: expected" in str(caught.value)


def test_the_default_ports_are_the_documented_ones() -> None:
    settings = ConsoleSettings.from_env({})
    ports = (settings.pages_port, settings.otlp_port, settings.mail_port, settings.smtp_port)
    assert ports == (3000, 4318, 8025, 1025)


def test_the_process_prints_its_ports_and_exits_with_0_on_sigterm(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        for name in ("pages", "otlp", "mail"):
            assert ask(f"http://127.0.0.1:{ports[name]}/livez").body == b"ok"
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_bad_settings_exit_with_2(tmp_path: Path) -> None:
    with start(tmp_path, OTLP_PORT="x", SLO_PROFILE="y") as process:
        _, error = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "OTLP_PORT" in error
    assert "SLO_PROFILE" in error


def test_a_taken_port_is_reported(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with start(tmp_path, MAIL_PORT=port) as process:
            _, error = process.communicate(timeout=10)
    assert process.returncode == 1
    assert f"MAIL_PORT: 127.0.0.1:{port}" in error


def test_the_console_stays_within_its_memory_limit(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        base = f"http://127.0.0.1:{ports['pages']}"
        paths = (
            "/",
            "/api/traces",
            "/api/logs",
            "/metrics",
            "/static/vendor/echarts/echarts.min.js",
        )
        for path in paths * 5:
            assert ask(base + path).status == 200
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        process.send_signal(signal.SIGTERM)
        process.wait(5)
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss < 60 * 1024
