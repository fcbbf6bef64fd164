"""The local mode's settings: from the environment and the `.env` file, all problems at once."""

from __future__ import annotations

import pytest

from local.settings import PORTS, ROOT, LocalSettings
from observability.instrumentation.environment import SettingsError


@pytest.fixture
def dotenv(tmp_path):
    return tmp_path / ".env"


def test_defaults_are_the_documented_ones(dotenv):
    settings = LocalSettings.from_env({}, dotenv)
    assert settings.state == ROOT / ".state"
    assert settings.profile == "demo"
    assert settings.load_rate == 10
    assert {name: settings.ports[name] for name in PORTS} == {n: p for n, (p, _) in PORTS.items()}
    assert settings.ports["ORDERS_PORT"] == 8000
    assert settings.ports["GRAFANA_PORT"] == 3000


def test_the_environment_wins_over_the_file(dotenv):
    dotenv.write_text("ORDERS_PORT=8100\nGRAFANA_PORT=3100\n")
    settings = LocalSettings.from_env({"ORDERS_PORT": "8200"}, dotenv)
    assert settings.ports["ORDERS_PORT"] == 8200
    assert settings.ports["GRAFANA_PORT"] == 3100
    assert settings.environment["GRAFANA_PORT"] == "3100"


def test_an_empty_variable_counts_as_unset(dotenv):
    empty = {"ORDERS_PORT": "", "SLO_PROFILE": "", "ORDERS_STATE_DIR": "", "ORDERS_LOAD_RATE": ""}
    settings = LocalSettings.from_env(empty, dotenv)
    assert settings.ports == LocalSettings.from_env({}, dotenv).ports
    assert settings.state == ROOT / ".state"


def test_every_bad_variable_is_listed_at_once(dotenv):
    dotenv.write_text("SLO_PROFILE=loud\nBROKEN=${A:?}\n")
    bad = {
        "ORDERS_PORT": "eighty",
        "MAIL_PORT": "70000",
        "OTLP_PORT": "-1",
        "GRAFANA_PORT": "9090",
        "ORDERS_LOAD_RATE": "much",
    }
    with pytest.raises(SettingsError) as raised:
        LocalSettings.from_env(bad, dotenv)
    text = str(raised.value)
    assert ".env line 2" in text
    for expected in (
        "ORDERS_PORT='eighty': expected a port number, 1 to 65535",
        "MAIL_PORT='70000'",
        "OTLP_PORT='-1'",
        "PROMETHEUS_PORT=9090: GRAFANA_PORT has this port already",
        "ORDERS_LOAD_RATE='much'",
    ):
        assert expected in text


def test_a_bad_value_in_the_file_is_reported_like_one_in_the_environment(dotenv):
    dotenv.write_text("SLO_PROFILE=loud\n")
    with pytest.raises(SettingsError, match="SLO_PROFILE='loud': expected demo or production"):
        LocalSettings.from_env({}, dotenv)


@pytest.mark.parametrize("rate", ["-1", "nan", "inf", "1e9", "ten"])
def test_an_invalid_rate_is_refused(dotenv, rate):
    with pytest.raises(SettingsError, match="ORDERS_LOAD_RATE"):
        LocalSettings.from_env({"ORDERS_LOAD_RATE": rate}, dotenv)


def test_a_state_folder_may_be_anywhere(dotenv, tmp_path):
    settings = LocalSettings.from_env({"ORDERS_STATE_DIR": str(tmp_path / "s")}, dotenv)
    assert settings.state == tmp_path / "s"
