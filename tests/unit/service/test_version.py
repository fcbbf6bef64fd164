"""Every program of the system reports the project's version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import service.app
import simulators.payment_provider
import worker.process
import worker.relay.__main__
from service.settings import Settings
from service.version import VERSION
from service.web.openapi import document
from simulators.settings import ProviderSettings
from worker.settings import WorkerSettings

PASSWORD = {"ORDERS_DATABASE_PASSWORD": "secret"}


class StartedError(Exception):
    """The identity that a program started its telemetry with."""


def start_api() -> None:
    service.app.create_app(Settings.from_env(PASSWORD))


def start_provider() -> None:
    simulators.payment_provider.create_app(ProviderSettings.from_env({}))


def start_worker() -> None:
    worker.process.Process(WorkerSettings.from_env(PASSWORD)).start_telemetry()


def start_relay() -> None:
    worker.relay.__main__.main.callback()


@pytest.mark.parametrize(
    ("module", "start", "name"),
    [
        (service.app, start_api, "orders"),
        (simulators.payment_provider, start_provider, "payment-provider"),
        (worker.process, start_worker, "orders-worker"),
        (worker.relay.__main__, start_relay, "orders-relay"),
    ],
    ids=["api", "provider", "worker", "relay"],
)
def test_a_program_starts_its_telemetry_with_the_version(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    module: Any,
    start: Callable[[], None],
    name: str,
) -> None:
    def note(*_: Any, service_name: str, service_version: str = "", **__: Any) -> None:
        raise StartedError(service_name, service_version)

    monkeypatch.setenv("ORDERS_DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(module, "start_telemetry", note)
    for other in ("claim_directory", "configure_logging"):
        monkeypatch.setattr(module, other, lambda *_: None, raising=False)

    with pytest.raises(StartedError) as started:
        start()

    assert started.value.args == (name, VERSION)


def test_the_openapi_document_has_the_version() -> None:
    assert document(VERSION)["info"]["version"] == VERSION
