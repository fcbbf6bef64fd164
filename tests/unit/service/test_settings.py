from __future__ import annotations

import pytest

from observability.instrumentation.environment import SettingsError
from service.settings import MigrateSettings, Settings
from simulators.settings import CustomersSettings, ProviderSettings
from tools.served_api import AWKWARD
from worker.settings import WorkerSettings

PASSWORD = {"ORDERS_DATABASE_PASSWORD": "secret"}


def test_only_the_database_password_has_no_default() -> None:
    settings = Settings.from_env(PASSWORD)

    assert (settings.port, settings.workers, settings.threads) == (8000, 2, 4)
    assert settings.database.user == "orders_service"
    assert settings.bind_host == "127.0.0.1"
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({})
    assert [line.split(":")[0] for line in refused.value.problems] == ["ORDERS_DATABASE_PASSWORD"]


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_env(PASSWORD | {"ORDERS_PORT": ""}).port == 8000


BAD = {
    "ORDERS_PORT": "0",
    "ORDERS_METRICS_PORT": "65536",
    "ORDERS_DATABASE_PORT": "five",
    "ORDERS_CACHE_PORT": "-1",
    "ORDERS_WORKERS": "0",
    "ORDERS_THREADS": "1.5",
    "ORDERS_RATE_LIMIT": "nan",
    "ORDERS_TRUSTED_PROXIES": "many",
}
BAD_FOR_THE_WORKER = {
    "ORDERS_WORKER_METRICS_PORT": "65536",
    "ORDERS_RELAY_METRICS_PORT": "x",
    "ORDERS_DATABASE_PORT": "five",
    "ORDERS_CACHE_PORT": "-1",
    "ORDERS_BROKER_PORT": "0",
    "ORDERS_PAYMENT_PROVIDER_URL": "127.0.0.1:8081",
    "ORDERS_SMTP_PORT": "smtp",
    "ORDERS_WORKER_CONCURRENCY": "65",
    "ORDERS_QUEUE_LIMIT": "0",
}


@pytest.mark.parametrize(
    ("read", "bad"),
    [(Settings.from_env, BAD), (WorkerSettings.from_env, BAD_FOR_THE_WORKER)],
    ids=["service", "worker"],
)
def test_all_bad_variables_are_listed_with_value_and_expectation(read, bad) -> None:
    with pytest.raises(SettingsError) as refused:
        read(PASSWORD | bad)

    problems = refused.value.problems
    assert [line.split("=")[0] for line in problems] == list(bad)
    for name, value in bad.items():
        assert any(line.startswith(f"{name}='{value}': expected") for line in problems)


@pytest.mark.parametrize(
    "read",
    [Settings.from_env, WorkerSettings.from_env, MigrateSettings.from_env],
    ids=["service", "worker", "migrate"],
)
def test_a_password_is_shown_neither_in_settings_nor_in_errors(read) -> None:
    names = ("DATABASE", "SERVICE", "WORKER", "EXPORTER", "CACHE", "BROKER")
    environ = {f"ORDERS_{name}_PASSWORD": AWKWARD for name in names}

    assert AWKWARD not in repr(read(environ))
    with pytest.raises(SettingsError) as refused:
        read(environ | {"ORDERS_DATABASE_PORT": "x"})
    assert AWKWARD not in str(refused.value)


def test_a_password_may_come_from_a_file_and_keeps_every_character(tmp_path) -> None:
    path = tmp_path / "password"
    path.write_text(AWKWARD + "\n")

    settings = Settings.from_env({"ORDERS_DATABASE_PASSWORD_FILE": str(path)})

    assert settings.database.password == AWKWARD


def test_words_are_split_at_commas() -> None:
    settings = Settings.from_env(PASSWORD | {"TRUSTED_HOSTS": "shop.example, api.example"})

    assert settings.trusted_hosts.names == ("shop.example", "api.example")


def test_the_old_name_of_the_trusted_hosts_is_refused() -> None:
    with pytest.raises(SettingsError, match="ORDERS_TRUSTED_HOSTS: renamed to TRUSTED_HOSTS"):
        Settings.from_env(PASSWORD | {"ORDERS_TRUSTED_HOSTS": "shop.example"})


@pytest.mark.parametrize("read", [ProviderSettings.from_env, CustomersSettings.from_env])
def test_the_simulators_need_no_variable_at_all(read) -> None:
    assert read({})
