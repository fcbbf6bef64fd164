from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import pytest

from service.faults import switchboard
from service.faults.switchboard import FAULTS, Faults, Switchboard, set_fault
from tests.integration.service.orders import place, place_one
from tools.servers import ROOT, wait_until


def command(*words: str, path=None, **environ: str) -> subprocess.CompletedProcess[str]:
    if path:
        environ["ORDERS_FAULTS_FILE"] = str(path)
    return subprocess.run(
        [sys.executable, "-m", "service.faults", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_faults_are_off_by_default(faults_file) -> None:
    assert Switchboard(None).now() == Switchboard(faults_file).now() == Faults()
    assert not any(getattr(Faults(), field.name) for field in fields(Faults))


def test_every_fault_has_its_field_and_every_field_its_fault() -> None:
    assert [fault.field for fault in FAULTS].sort() == [f.name for f in fields(Faults)].sort()
    assert {fault.field for fault in FAULTS} == {field.name for field in fields(Faults)}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_can_be_switched_on_and_off(faults_file, fault) -> None:
    set_fault(faults_file, fault.name, "on")
    on = Switchboard(faults_file).now()
    set_fault(faults_file, fault.name, "off")
    off = Switchboard(faults_file).now()

    assert getattr(on, fault.field) == fault.on
    assert off == Faults()


def test_a_change_takes_effect_within_5_seconds_without_a_restart(faults_file) -> None:
    switchboard = Switchboard(faults_file)
    assert not switchboard.now().relay_dead

    assert command("set", "relay_dead", "on", path=faults_file).returncode == 0

    assert wait_until(lambda: switchboard.now().relay_dead, 5)
    command("clear", path=faults_file)
    assert wait_until(lambda: not switchboard.now().relay_dead, 5)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"flags": []}', '{"flags": {"relay_dead": 1}}', "\0\xff"],
)
def test_a_file_that_is_no_flag_file_changes_nothing(faults_file, content: str) -> None:
    set_fault(faults_file, "relay_dead", "on")
    switchboard = Switchboard(faults_file)
    assert switchboard.now().relay_dead
    faults_file.write_text(content)
    switchboard._file._next_check = 0

    assert switchboard.now().relay_dead


@pytest.mark.parametrize(
    "flag",
    [
        {},
        {"variants": {"on": True}},
        {"variants": {"on": True}, "defaultVariant": "off"},
        {"variants": {"on": "yes"}, "defaultVariant": "on"},
        {"variants": {"on": True}, "defaultVariant": "on", "state": "DISABLED"},
        {"variants": [], "defaultVariant": "on"},
    ],
)
def test_a_flag_that_is_not_well_made_is_off(faults_file, flag) -> None:
    faults_file.write_text(json.dumps({"flags": {"relay_dead": flag}}))

    assert not Switchboard(faults_file).now().relay_dead


def test_the_empty_file_of_a_new_installation_is_fine(faults_file) -> None:
    faults_file.write_text('{"flags": {}}')

    assert command("set", "payment_slow", "2", path=faults_file).returncode == 0
    assert Switchboard(faults_file).now() == Faults(payment_slow_seconds=2.0)
    assert "payment_slow       custom (2.0)" in command("list", path=faults_file).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["set", "coffee", "on"], "'coffee' is not a fault"),
        (["set", "error_rate", "2"], "expected on, off or a number from 0 to 1"),
        (["set", "error_rate", "nan"], "expected on, off or a number"),
        (["set", "relay_dead", "1"], "expected on or off"),
        (["dance"], "Usage:"),
    ],
)
def test_the_command_reports_what_it_expected(faults_file, words, expected) -> None:
    run = command(*words, path=faults_file)

    assert run.returncode == 2
    assert expected in run.stderr
    assert not faults_file.exists()


def test_the_command_writes_the_local_modes_file_where_there_is_one(tmp_path) -> None:
    assert command("set", "relay_dead", "on", ORDERS_STATE_DIR=str(tmp_path)).returncode == 0

    assert Switchboard(tmp_path / "faults.json").now().relay_dead


def test_the_command_needs_a_file_where_there_is_no_local_mode(tmp_path) -> None:
    run = command("list", ORDERS_STATE_DIR=str(tmp_path / "nowhere"))

    assert run.returncode == 2
    assert "ORDERS_FAULTS_FILE" in run.stderr


class TestInTheApi:
    def test_error_rate_answers_500_and_leaves_health_alone(self, client, faults_file) -> None:
        set_fault(faults_file, "error_rate", "1")

        answer = place(client)

        assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
        assert "fault" not in answer.json["detail"]
        assert client.get("/readyz").status_code == 200

    def test_database_failing_answers_503(self, client, faults_file) -> None:
        set_fault(faults_file, "database_failing", "1")

        assert place(client).status_code == 503

    def test_database_slow_takes_its_time(self, client, faults_file) -> None:
        set_fault(faults_file, "database_slow", "0.3")

        answer = client.get("/readyz")

        assert answer.json["checks"]["postgres"]["seconds"] >= 0.3

    def test_database_slow_beyond_the_timeout_answers_503(self, client, faults_file) -> None:
        set_fault(faults_file, "database_slow", "10")

        assert place(client).status_code == 503

    def test_a_poison_message_comes_beside_the_real_one(self, client, faults_file, sql) -> None:
        set_fault(faults_file, "poison_message", "on")

        place_one(client)

        tasks = sql.execute("SELECT task FROM outbox ORDER BY id").fetchall()
        assert tasks == [("fulfil_order",), ("poison",)]

    def test_a_strike_is_logged(self, client, faults_file, caplog) -> None:
        set_fault(faults_file, "error_rate", "1")

        place(client)

        assert "fault error_rate strikes" in caplog.text
        assert "fault error_ratio is now 1.0" in caplog.text


def test_memory_grows_and_is_given_back() -> None:
    from service.faults.injection import LARGEST_LEAK_MB, Leak

    now = [0.0]
    leak = Leak(lambda: now[0])
    now[0] = 5.0
    leak.grow(60)
    held = len(leak._held)
    for _ in range(100):
        now[0] += 10
        leak.grow(60)
    most = len(leak._held)
    leak.grow(0)

    assert held == 5
    assert LARGEST_LEAK_MB <= most < LARGEST_LEAK_MB + 10
    assert leak._held == []


def test_the_switch_is_not_reachable_over_http(app) -> None:
    assert not [rule for rule in app.url_map.iter_rules() if "fault" in rule.rule]
    assert switchboard.__name__ == "service.faults.switchboard"
