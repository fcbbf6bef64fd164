"""Settings of the API and of the migration, and the parts that the other programs share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from observability.instrumentation.environment import (
    EnvironmentSettings,
    SettingsError,
    TrustedHosts,
    exit_for,
    integer,
    nested,
    number,
    port_number,
    secret,
    setting,
)
from observability.instrumentation.settings import TelemetrySettings

CACHE_PORT = 16379


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings(EnvironmentSettings):
    """Address of PostgreSQL, and the role that connects."""

    host: str = setting("HOST", "127.0.0.1")
    port: int = setting("PORT", 15432, port_number)
    name: str = setting("NAME", "orders")
    user: str = setting("USER")
    password: str = secret("PASSWORD")


@dataclass(frozen=True, kw_only=True)
class RedisSettings(EnvironmentSettings):
    """Address of a Redis; an empty password means that none is sent."""

    host: str = setting("HOST", "127.0.0.1")
    port: int = setting("PORT", parse=port_number)
    password: str = secret("PASSWORD", "")


@dataclass(frozen=True, kw_only=True)
class CommonSettings(EnvironmentSettings):
    """Settings that every program of the order system has.

    Args:
        bind_host: Address that the program and its `/metrics` listen on.
        faults_file: File of the fault switchboard; without it no fault can be set.
        trusted_hosts: Public names that its ports answer for.
    """

    bind_host: str = setting("ORDERS_BIND_HOST", "127.0.0.1")
    faults_file: Path | None = setting("ORDERS_FAULTS_FILE", None, Path)
    trusted_hosts: TrustedHosts = setting(
        "TRUSTED_HOSTS", TrustedHosts(), TrustedHosts.parse, formerly=("ORDERS_TRUSTED_HOSTS",)
    )
    telemetry: TelemetrySettings = nested(TelemetrySettings)


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """Settings of the API.

    Args:
        workers: Processes that serve requests.
        threads: Requests that each of them serves at once.
        rate_limit: Requests per second that one client address may make; 0 is no limit.
        trusted_proxies: Reverse proxies in front whose X-Forwarded-For counts.
    """

    port: int = setting("ORDERS_PORT", 8000, port_number)
    metrics_port: int = setting("ORDERS_METRICS_PORT", 9464, port_number)
    database: DatabaseSettings = nested(DatabaseSettings, "ORDERS_DATABASE_", user="orders_service")
    cache: RedisSettings = nested(RedisSettings, "ORDERS_CACHE_", port=CACHE_PORT)
    workers: int = setting("ORDERS_WORKERS", 2, integer(1, 64))
    threads: int = setting("ORDERS_THREADS", 4, integer(1, 64))
    rate_limit: float = setting("ORDERS_RATE_LIMIT", 300.0, number(0))
    trusted_proxies: int = setting("ORDERS_TRUSTED_PROXIES", 0, integer(0, 4))


@dataclass(frozen=True, kw_only=True)
class MigrateSettings(EnvironmentSettings):
    """Settings of the migration: a superuser, and the passwords of the roles that it makes."""

    database: DatabaseSettings = nested(DatabaseSettings, "ORDERS_DATABASE_", user="orders_migrate")
    service_password: str = secret("ORDERS_SERVICE_PASSWORD")
    worker_password: str = secret("ORDERS_WORKER_PASSWORD")
    exporter_password: str = secret("ORDERS_EXPORTER_PASSWORD")
    wait_seconds: float = setting("ORDERS_MIGRATE_WAIT_SECONDS", 60.0, number(0))
    telemetry: TelemetrySettings = nested(TelemetrySettings)


@dataclass(frozen=True, kw_only=True)
class FaultsCommandSettings(EnvironmentSettings):
    """Settings of `python -m service.faults`.

    Args:
        state_dir: Folder of the local mode, whose fault file is the default where it exists.
    """

    faults_file: Path | None = setting("ORDERS_FAULTS_FILE", None, Path)
    state_dir: Path = setting("ORDERS_STATE_DIR", Path(".state"), Path)

    def path(self) -> Path:
        """Return the fault file.

        Raises:
            SettingsError: No variable names one, and the local mode has no folder here.
        """
        if self.faults_file:
            return self.faults_file
        if self.state_dir.is_dir():
            return self.state_dir / "faults.json"
        raise SettingsError(["ORDERS_FAULTS_FILE='': expected a path, it has no default here"])


def require_metrics_folder(telemetry: TelemetrySettings) -> None:
    """End the process unless it was given a folder for the metrics of all its children.

    prometheus_client reads the variable on import; set later, each child would count for itself.
    """
    if telemetry.multiproc_dir is None:
        exit_for(
            SettingsError(["PROMETHEUS_MULTIPROC_DIR: expected a folder for this process alone"])
        )
