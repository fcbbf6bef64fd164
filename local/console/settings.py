"""Settings of the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from local.store.retention import Limits
from observability.instrumentation.environment import (
    EnvironmentSettings,
    TrustedHosts,
    integer,
    one_of,
    port_number,
    port_or_any,
    secret,
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
        pages_port: Pages and JSON API; 0 picks a free one, as for the others that it opens.
        prometheus_port: Forwards to Prometheus, for requests that no other site's page caused.
        prometheus_server_port: Where Prometheus listens; it asks for the password.
        alertmanager_port: The same for Alertmanager, as is `alertmanager_server_port`.
        server_password: Password of both servers; empty if they ask for none.
        trusted_hosts: Public names that its ports answer for.
        max_age: How long traces, logs and emails are kept.
        max_bytes: How much of them is kept.
    """

    # The only user of Prometheus and Alertmanager.
    SERVER_USER: ClassVar = "sightline"

    pages_port: int = setting("GRAFANA_PORT", 3000, port_or_any)
    otlp_port: int = setting("OTLP_PORT", 4318, port_or_any)
    mail_port: int = setting("MAIL_PORT", 8025, port_or_any)
    smtp_port: int = setting("ORDERS_SMTP_PORT", WorkerSettings.smtp_port, port_or_any)
    prometheus_port: int = setting("PROMETHEUS_PORT", 9090, port_or_any)
    alertmanager_port: int = setting("ALERTMANAGER_PORT", 9093, port_or_any)
    prometheus_server_port: int = setting("PROMETHEUS_SERVER_PORT", 19090, port_number)
    alertmanager_server_port: int = setting("ALERTMANAGER_SERVER_PORT", 19093, port_number)
    server_password: str = secret("PROMETHEUS_SERVER_PASSWORD", "")
    trusted_hosts: TrustedHosts = setting("TRUSTED_HOSTS", TrustedHosts(), TrustedHosts.parse)
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
