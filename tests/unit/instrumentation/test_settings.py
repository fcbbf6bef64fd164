"""All bad settings are told at once, by name, and secrets never."""

from __future__ import annotations

from pathlib import Path

import pytest

from observability.instrumentation.settings import (
    EnvironmentReader,
    SettingsError,
    TelemetrySettings,
)


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
        "TELEMETRY_FLASK": "fast",
        "TELEMETRY_LOG_LEVEL": "LOUD",
        "TELEMETRY_LOGS_EXPORT": "maybe",
        "TELEMETRY_SLOW_REQUEST_SECONDS": "-1",
        "TELEMETRY_EXPORTER": "none",
    }
    with pytest.raises(SettingsError) as raised:
        TelemetrySettings.from_env(bad)
    assert len(raised.value.problems) == len(bad)
    for name, value in bad.items():
        assert any(name in problem and value in problem for problem in raised.value.problems)


def test_a_header_that_cannot_be_read_is_told_without_its_value() -> None:
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


def test_another_rooms_reader_collects_ours_with_its_own() -> None:
    reader = EnvironmentReader({"OTEL_TRACES_SAMPLER": "x", "ORDERS_PORT": "0"})
    TelemetrySettings.read(reader)
    reader.integer("ORDERS_PORT", 8000, low=1, high=65535)
    reader.text("ORDERS_DATABASE_HOST")
    with pytest.raises(SettingsError) as raised:
        reader.finish()
    assert len(raised.value.problems) == 3


@pytest.mark.parametrize("password", ["p@ss:w/rd", "%41$x{y}", " space ", '"quoted"', "a\\b#c"])
def test_a_secret_comes_from_its_variable_or_its_file_as_it_is(
    tmp_path: Path, password: str
) -> None:
    (tmp_path / "secret").write_text(password + "\n")
    assert EnvironmentReader({"PW": password}).secret("PW") == password
    assert EnvironmentReader({"PW_FILE": str(tmp_path / "secret")}).secret("PW") == password


def test_a_secret_that_is_missing_or_unreadable_is_a_problem() -> None:
    reader = EnvironmentReader({"B_FILE": "/nonexistent"})
    reader.secret("A")
    reader.secret("B")
    with pytest.raises(SettingsError) as raised:
        reader.finish()
    assert "A" in raised.value.problems[0]
    assert "/nonexistent" in raised.value.problems[1]


def test_an_empty_variable_counts_as_unset() -> None:
    empty = dict.fromkeys(
        ("OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_ENDPOINT", "PROMETHEUS_MULTIPROC_DIR"), ""
    )
    assert TelemetrySettings.from_env(empty) == TelemetrySettings()
