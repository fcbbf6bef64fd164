"""Settings of the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from local.store.retention import Limits
from observability.instrumentation.environment import (
    EnvironmentSettings,
    integer,
    one_of,
    port_number,
    port_or_any,
    setting,
)
from service.settings import Settings
from worker.settings import WorkerSettings

PROJECT = Path(__file__).resolve().parents[2]
PROFILES = ("demo", "production")


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def _hours(text: str) -> timedelta:
    return timedelta(hours=integer(1, 8760)(text))


def _megabytes(text: str) -> int:
    return integer(8, 1_000_000)(text) * 2**20


@dataclass(frozen=True)
class ConsoleSettings(EnvironmentSettings):
    """Settings of the console: its ports, the servers that it queries, the limits of its store.

    Args:
        pages_port: Pages and JSON API; 0 picks a free one, as for the other three that it opens.
        max_age: How long traces, logs and emails are kept.
        max_bytes: How much of them is kept.
    """

    pages_port: int = setting("GRAFANA_PORT", 3000, port_or_any)
    otlp_port: int = setting("OTLP_PORT", 4318, port_or_any)
    mail_port: int = setting("MAIL_PORT", 8025, port_or_any)
    smtp_port: int = setting("ORDERS_SMTP_PORT", WorkerSettings.smtp_port, port_or_any)
    prometheus_port: int = setting("PROMETHEUS_PORT", 9090, port_number)
    alertmanager_port: int = setting("ALERTMANAGER_PORT", 9093, port_number)
    orders_port: int = setting("ORDERS_PORT", Settings.port, port_number)
    state_dir: Path = setting("ORDERS_STATE_DIR", PROJECT / ".state", _absolute)
    profile: str = setting("SLO_PROFILE", PROFILES[0], one_of(*PROFILES))
    max_age: timedelta = setting("ORDERS_STORE_MAX_HOURS", Limits.max_age, _hours)
    max_bytes: int = setting("ORDERS_STORE_MAX_MB", Limits.max_bytes, _megabytes)
    dashboards_dir: Path = setting("DASHBOARDS_DIR", PROJECT / "dashboards" / "json", _absolute)
    runbooks_dir: Path = setting("RUNBOOKS_DIR", PROJECT / "alerts" / "runbooks", _absolute)

    @property
    def limits(self) -> Limits:
        """The limits of the store of traces, logs and emails."""
        return Limits(self.max_age, self.max_bytes)
