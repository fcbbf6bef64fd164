"""Settings of the payment provider and of the customers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from observability.instrumentation.environment import (
    EnvironmentSettings,
    http_url,
    integer,
    nested,
    number,
    port_number,
    setting,
)
from observability.instrumentation.settings import TelemetrySettings
from service.settings import CommonSettings

LEDGER = Path(tempfile.gettempdir()) / "payment-provider.sqlite"


@dataclass(frozen=True, kw_only=True)
class ProviderSettings(CommonSettings):
    """Settings of the payment provider.

    Args:
        ledger: SQLite file of its ledger.
        threads: Requests that it serves at once.
    """

    port: int = setting("ORDERS_PAYMENT_PROVIDER_PORT", 8081, port_number)
    metrics_port: int = setting("ORDERS_PAYMENT_PROVIDER_METRICS_PORT", 9467, port_number)
    ledger: Path = setting("ORDERS_PAYMENT_PROVIDER_LEDGER", LEDGER, Path)
    threads: int = setting("ORDERS_PAYMENT_PROVIDER_THREADS", 16, integer(1, 256))


@dataclass(frozen=True, kw_only=True)
class CustomersSettings(EnvironmentSettings):
    """Settings of the customers.

    Args:
        url: Address of the order API.
        load_rate: Requests per second while the load file sets no other rate.
        load_file: JSON file that changes the rate while they run.
    """

    url: str = setting("ORDERS_URL", "http://127.0.0.1:8000", http_url)
    load_rate: float = setting("ORDERS_LOAD_RATE", 10.0, number(0))
    load_file: Path | None = setting("ORDERS_LOAD_FILE", None, Path)
    telemetry: TelemetrySettings = nested(TelemetrySettings)
