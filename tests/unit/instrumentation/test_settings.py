"""Settings report all bad variables at once, by name, and never show a secret."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import pytest

from observability.instrumentation.environment import (
    EnvironmentReader,
    EnvironmentSettings,
    Setting,
    SettingsError,
    nested,
    port_number,
    secret,
    setting,
)
from observability.instrumentation.settings import TelemetrySettings


@dataclass(frozen=True, kw_only=True)
class LampSettings(EnvironmentSettings):
    watts: int = setting("WATTS", 60, int, formerly=("POWER",))
    password: str = secret("PASSWORD", formerly=("PASS",))


@dataclass(frozen=True, kw_only=True)
class ShopSettings(EnvironmentSettings):
    host: str = setting("SHOP_HOST")
    port: int = setting("SHOP_PORT", 8000, port_number, formerly=("SHOP_LISTEN", "PORT"))
    lamp: LampSettings = nested(LampSettings, "SHOP_LAMP_", watts=40)
    telemetry: TelemetrySettings = nested(TelemetrySettings)


GOOD = {"SHOP_HOST": "shop.example", "SHOP_LAMP_PASSWORD": "bright"}


def test_defaults_need_no_variable() -> None:
    settings = TelemetrySettings.from_env({})
    assert settings == TelemetrySettings()
    assert settings.endpoint == "http://localhost:4318"


def test_every_bad_variable_is_named_with_its_value_and_what_was_expected() -> None:
    bad = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "thrift",
        "OTEL_TRACES_SAMPLER": "sometimes",
        "OTEL_TRACES_SAMPLER_ARG": "2",
        "OTEL_SDK_DISABLED": "perhaps",
        "OTEL_RESOURCE_ATTRIBUTES": "team",
        "OTEL_BSP_MAX_QUEUE_SIZE": "many",
        "OTEL_BSP_SCHEDULE_DELAY": "nan",
        "TELEMETRY_ENGINE": "fast",
        "TELEMETRY_LOG_LEVEL": "LOUD",
        "TELEMETRY_LOGS_EXPORT": "maybe",
        "TELEMETRY_SLOW_REQUEST_SECONDS": "-1",
        "TELEMETRY_ZERO_SERIES": "all",
    }
    with pytest.raises(SettingsError) as raised:
        TelemetrySettings.from_env(bad)
    assert len(raised.value.problems) == len(bad)
    for name, value in bad.items():
        assert any(name in problem and value in problem for problem in raised.value.problems)


@pytest.mark.parametrize(
    ("variables", "engine"),
    [
        ({}, "lean"),
        ({"TELEMETRY_ENGINE": "sdk"}, "sdk"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "sdk"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "TELEMETRY_ENGINE": "sdk"}, "sdk"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "TELEMETRY_ENGINE": ""}, "lean"),
    ],
)
def test_the_engine_is_lean_unless_it_is_chosen_or_grpc_needs_the_other(
    variables: dict[str, str], engine: str
) -> None:
    assert TelemetrySettings.from_env(variables).engine == engine


@pytest.mark.parametrize(
    ("variables", "part"),
    [({"TELEMETRY_ENGINE": "sdk"}, "http"), ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc")],
)
def test_an_engine_whose_package_is_missing_is_refused_and_names_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], part: str
) -> None:
    monkeypatch.setitem(sys.modules, f"opentelemetry.exporter.otlp.proto.{part}", None)
    with pytest.raises(SettingsError, match=f"opentelemetry-exporter-otlp-proto-{part} installed"):
        TelemetrySettings.from_env(variables)


def test_lean_with_grpc_is_refused_and_names_sdk() -> None:
    variables = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "TELEMETRY_ENGINE": "lean"}
    with pytest.raises(SettingsError, match=r"TELEMETRY_ENGINE='lean': expected `sdk`"):
        TelemetrySettings.from_env(variables)


@pytest.mark.parametrize("name", ["TELEMETRY_FLASK", "TELEMETRY_EXPORTER"])
def test_the_variables_that_the_engine_replaces_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: renamed to TELEMETRY_ENGINE"):
        TelemetrySettings.from_env({name: "lean"})


def test_a_bad_header_is_reported_without_its_value() -> None:
    with pytest.raises(SettingsError) as raised:
        TelemetrySettings.from_env({"OTEL_EXPORTER_OTLP_HEADERS": "Bearer hunter2"})
    assert "hunter2" not in str(raised.value)


def test_standard_variables_arrive_where_they_belong() -> None:
    settings = TelemetrySettings.from_env(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318/base/",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b,tenant=x",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo,a=b=c",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.1",
            "OTEL_TRACES_EXPORTER": "none",
            "PROMETHEUS_MULTIPROC_DIR": "/tmp/metrics",
        }
    )
    assert settings.endpoint == "https://collector:4318/base"
    assert settings.headers == {"api-key": "a b", "tenant": "x"}
    assert settings.resource["service.name"] == "shop"
    assert settings.resource["a"] == "b=c"
    assert settings.sampler_ratio == 0.1
    assert not settings.traces_export
    assert settings.multiproc_dir == Path("/tmp/metrics")


def test_bad_variables_of_nested_settings_are_reported_with_the_others() -> None:
    with pytest.raises(SettingsError) as raised:
        ShopSettings.from_env(
            {"OTEL_TRACES_SAMPLER": "x", "SHOP_PORT": "0", "SHOP_LAMP_WATTS": "y"}
        )
    names = [line.replace(":", "=").split("=")[0] for line in raised.value.problems]
    assert names == [
        "SHOP_HOST",
        "SHOP_PORT",
        "SHOP_LAMP_WATTS",
        "SHOP_LAMP_PASSWORD",
        "OTEL_TRACES_SAMPLER",
    ]


def test_nested_settings_have_a_prefix_and_defaults_of_their_own() -> None:
    assert ShopSettings.from_env(GOOD).lamp == LampSettings(watts=40, password="bright")
    assert ShopSettings.from_env({**GOOD, "SHOP_LAMP_WATTS": "25"}).lamp.watts == 25


@pytest.mark.parametrize(
    ("old", "new"),
    [("PORT", "SHOP_PORT"), ("SHOP_LAMP_POWER", "SHOP_LAMP_WATTS")],
)
def test_a_variable_that_was_renamed_is_refused_with_its_new_name(old: str, new: str) -> None:
    with pytest.raises(SettingsError) as raised:
        ShopSettings.from_env({**GOOD, old: "9000"})
    assert raised.value.problems == (f"{old}: renamed to {new}",)


def test_a_secret_that_was_renamed_is_refused_without_its_value() -> None:
    environ = {"SHOP_HOST": "shop.example", "SHOP_LAMP_PASS": "hunter2"}
    with pytest.raises(SettingsError) as raised:
        ShopSettings.from_env(environ)
    assert raised.value.problems == ("SHOP_LAMP_PASS: renamed to SHOP_LAMP_PASSWORD",)


def test_a_hidden_value_is_not_shown() -> None:
    settings = ShopSettings.from_env({**GOOD, "OTEL_EXPORTER_OTLP_HEADERS": "key=hunter2"})
    assert settings.telemetry.headers == {"key": "hunter2"}
    assert "bright" not in repr(settings)
    assert "hunter2" not in repr(settings)


def test_bad_settings_end_the_process_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        ShopSettings.from_env_or_exit({**GOOD, "SHOP_PORT": "70000"})
    expected = "bad settings:\n  SHOP_PORT='70000': expected a port number, 1 to 65535\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("password", ["p@ss:w/rd", "%41$x{y}", " space ", '"quoted"', "a\\b#c"])
def test_a_secret_comes_from_its_variable_or_its_file_as_it_is(
    tmp_path: Path, password: str
) -> None:
    (tmp_path / "secret").write_text(password + "\n")
    declared = Setting("PW", MISSING, file=True)
    assert EnvironmentReader({"PW": password}).read(declared) == password
    assert EnvironmentReader({"PW_FILE": str(tmp_path / "secret")}).read(declared) == password


def test_a_secret_that_is_missing_or_unreadable_is_a_problem() -> None:
    reader = EnvironmentReader({"B_FILE": "/nonexistent"})
    reader.read(Setting("A", MISSING, file=True))
    reader.read(Setting("B", MISSING, file=True))
    with pytest.raises(SettingsError) as raised:
        reader.finish()
    assert "A" in raised.value.problems[0]
    assert "/nonexistent" in raised.value.problems[1]


def test_an_empty_variable_counts_as_unset() -> None:
    empty = dict.fromkeys(
        ("OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_ENDPOINT", "PROMETHEUS_MULTIPROC_DIR"), ""
    )
    assert TelemetrySettings.from_env(empty) == TelemetrySettings()
