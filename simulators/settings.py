"""Read the settings of the world outside; the only look at the environment here."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from observability.instrumentation.settings import (
    EnvironmentReader,
    SettingsError,
    TelemetrySettings,
)
from service.settings import exit_for, read_path, read_port, read_url

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """Hold what the payment provider is told from outside.

    Args:
        bind_host: Address that it and its `/metrics` listen on.
        ledger: SQLite file of its books.
        threads: Requests that it answers at once.
    """

    bind_host: str = "127.0.0.1"
    port: int = 8081
    metrics_port: int = 9467
    ledger: Path
    threads: int = 16
    faults_file: Path | None = None
    telemetry: TelemetrySettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings, or raise SettingsError with every bad variable."""
        reader = EnvironmentReader(environ)
        default_ledger = str(Path(tempfile.gettempdir()) / "payment-provider.sqlite")
        settings = cls(
            bind_host=reader.text("ORDERS_BIND_HOST", "127.0.0.1"),
            port=read_port(reader, "ORDERS_PAYMENT_PROVIDER_PORT", 8081),
            metrics_port=read_port(reader, "ORDERS_PAYMENT_PROVIDER_METRICS_PORT", 9467),
            ledger=Path(reader.text("ORDERS_PAYMENT_PROVIDER_LEDGER", default_ledger)),
            threads=reader.integer("ORDERS_PAYMENT_PROVIDER_THREADS", 16, low=1, high=256),
            faults_file=read_path(reader, "ORDERS_FAULTS_FILE"),
            telemetry=TelemetrySettings.read(reader),
        )
        reader.finish()
        return settings

    @classmethod
    def from_env_or_exit(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings, or end the process with one message that lists what is wrong."""
        try:
            return cls.from_env(environ)
        except SettingsError as error:
            exit_for(error)


@dataclass(frozen=True, kw_only=True)
class CustomersSettings:
    """Hold what the customers are told from outside.

    Args:
        url: Where the orders are taken.
        load_rate: Requests per second while the load file says nothing else.
        load_file: JSON file that changes the rate while they run.
    """

    url: str = "http://127.0.0.1:8000"
    load_rate: float = 10.0
    load_file: Path | None = None
    telemetry: TelemetrySettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings, or raise SettingsError with every bad variable."""
        reader = EnvironmentReader(environ)
        settings = cls(
            url=read_url(reader, "ORDERS_URL", "http://127.0.0.1:8000"),
            load_rate=reader.number("ORDERS_LOAD_RATE", 10.0, low=0),
            load_file=read_path(reader, "ORDERS_LOAD_FILE"),
            telemetry=TelemetrySettings.read(reader),
        )
        reader.finish()
        return settings

    @classmethod
    def from_env_or_exit(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings, or end the process with one message that lists what is wrong."""
        try:
            return cls.from_env(environ)
        except SettingsError as error:
            exit_for(error)
