"""Read the settings of the API, the worker and the relay; the only look at the environment here."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from observability.instrumentation.settings import (
    EnvironmentReader,
    SettingsError,
    TelemetrySettings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HIGHEST_PORT = 65535
HIGHEST_QUEUE_LIMIT = 10_000_000
EXIT_CODE = 2
# Ourselves, and the names that Compose gives; a browser led here under another name is refused.
TRUSTED_HOSTS = ("localhost", "127.0.0.1", "[::1]", "orders", "edge")


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Say where PostgreSQL is and who asks."""

    host: str = "127.0.0.1"
    port: int = 15432
    name: str = "orders"
    user: str
    password: str = field(repr=False)

    @classmethod
    def read(cls, reader: EnvironmentReader, user: str) -> Self:
        """Read ORDERS_DATABASE_*; `user` is the role when none is named."""
        return cls(
            host=reader.text("ORDERS_DATABASE_HOST", "127.0.0.1"),
            port=read_port(reader, "ORDERS_DATABASE_PORT", 15432),
            name=reader.text("ORDERS_DATABASE_NAME", "orders"),
            user=reader.text("ORDERS_DATABASE_USER", user),
            password=reader.secret("ORDERS_DATABASE_PASSWORD"),
        )


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """Say where a Redis is; without a password it is asked without one."""

    host: str = "127.0.0.1"
    port: int
    password: str = field(default="", repr=False)

    @classmethod
    def read(cls, reader: EnvironmentReader, owner: str, port: int) -> Self:
        """Read ORDERS_<owner>_*; `port` is the default."""
        return cls(
            host=reader.text(f"ORDERS_{owner}_HOST", "127.0.0.1"),
            port=read_port(reader, f"ORDERS_{owner}_PORT", port),
            password=reader.secret(f"ORDERS_{owner}_PASSWORD", ""),
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hold what the API, the worker and the relay are told from outside.

    Args:
        rate_limit: Requests per second that one client address may make; 0 is no limit.
        bind_host: Address that the API and every `/metrics` listen on.
        queue_limit: Messages that a queue may hold before an alert says so; the broker's memory
            is the true limit, and a message takes about 2 kB of it.
        trusted_hosts: Host names that are answered; `*` means all.
        trusted_proxies: Reverse proxies in front whose X-Forwarded-For counts.
        load_rate: Requests per second of the customers.
    """

    bind_host: str = "127.0.0.1"
    port: int = 8000
    metrics_port: int = 9464
    worker_metrics_port: int = 9465
    relay_metrics_port: int = 9466
    database: DatabaseSettings
    cache: RedisSettings
    broker: RedisSettings
    payment_provider_url: str = "http://127.0.0.1:8081"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1025
    faults_file: Path | None = None
    workers: int = 2
    threads: int = 4
    worker_concurrency: int = 4
    queue_limit: int = 10_000
    rate_limit: float = 300.0
    trusted_hosts: tuple[str, ...] = TRUSTED_HOSTS
    trusted_proxies: int = 0
    telemetry: TelemetrySettings

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] = os.environ, user: str = "orders_service"
    ) -> Self:
        """Return the settings, or raise SettingsError with every bad variable.

        Args:
            environ: Variables by name.
            user: Database role when ORDERS_DATABASE_USER names none.
        """
        reader = EnvironmentReader(environ)
        settings = cls(
            bind_host=reader.text("ORDERS_BIND_HOST", "127.0.0.1"),
            port=read_port(reader, "ORDERS_PORT", 8000),
            metrics_port=read_port(reader, "ORDERS_METRICS_PORT", 9464),
            worker_metrics_port=read_port(reader, "ORDERS_WORKER_METRICS_PORT", 9465),
            relay_metrics_port=read_port(reader, "ORDERS_RELAY_METRICS_PORT", 9466),
            database=DatabaseSettings.read(reader, user),
            cache=RedisSettings.read(reader, "CACHE", 16379),
            broker=RedisSettings.read(reader, "BROKER", 16380),
            payment_provider_url=read_url(
                reader, "ORDERS_PAYMENT_PROVIDER_URL", "http://127.0.0.1:8081"
            ),
            smtp_host=reader.text("ORDERS_SMTP_HOST", "127.0.0.1"),
            smtp_port=read_port(reader, "ORDERS_SMTP_PORT", 1025),
            faults_file=read_path(reader, "ORDERS_FAULTS_FILE"),
            workers=reader.integer("ORDERS_WORKERS", 2, low=1, high=64),
            threads=reader.integer("ORDERS_THREADS", 4, low=1, high=64),
            worker_concurrency=reader.integer("ORDERS_WORKER_CONCURRENCY", 4, low=1, high=64),
            queue_limit=reader.integer(
                "ORDERS_QUEUE_LIMIT", 10_000, low=1, high=HIGHEST_QUEUE_LIMIT
            ),
            rate_limit=reader.number("ORDERS_RATE_LIMIT", 300.0, low=0),
            trusted_hosts=read_words(reader, "ORDERS_TRUSTED_HOSTS", TRUSTED_HOSTS),
            trusted_proxies=reader.integer("ORDERS_TRUSTED_PROXIES", 0, low=0, high=4),
            telemetry=TelemetrySettings.read(reader),
        )
        reader.finish()
        return settings

    @classmethod
    def from_env_or_exit(
        cls, environ: Mapping[str, str] = os.environ, user: str = "orders_service"
    ) -> Self:
        """Return the settings, or end the process with one message that lists what is wrong."""
        try:
            return cls.from_env(environ, user)
        except SettingsError as error:
            exit_for(error)


@dataclass(frozen=True, kw_only=True)
class MigrateSettings:
    """Hold what the migration needs: a superuser, and the passwords of the roles it makes."""

    database: DatabaseSettings
    service_password: str = field(repr=False)
    worker_password: str = field(repr=False)
    exporter_password: str = field(repr=False)
    wait_seconds: float = 60.0
    telemetry: TelemetrySettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings, or raise SettingsError with every bad variable."""
        reader = EnvironmentReader(environ)
        settings = cls(
            database=DatabaseSettings.read(reader, "orders_migrate"),
            service_password=reader.secret("ORDERS_SERVICE_PASSWORD"),
            worker_password=reader.secret("ORDERS_WORKER_PASSWORD"),
            exporter_password=reader.secret("ORDERS_EXPORTER_PASSWORD"),
            wait_seconds=reader.number("ORDERS_MIGRATE_WAIT_SECONDS", 60.0, low=0),
            telemetry=TelemetrySettings.read(reader),
        )
        reader.finish()
        return settings


def faults_file_from_env(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the switchboard's file for the command that writes it.

    Where no variable names one, it is the local mode's, if there is a local mode here.
    """
    reader = EnvironmentReader(environ)
    state = Path(reader.text("ORDERS_STATE_DIR", ".state"))
    default = str(state / "faults.json") if state.is_dir() else None
    path = reader.text("ORDERS_FAULTS_FILE", default)
    reader.finish()
    return Path(path)


def exit_for(error: SettingsError) -> NoReturn:
    """End the process with the message of a settings error."""
    sys.stderr.write(f"{error}\n")
    raise SystemExit(EXIT_CODE)


def require_metrics_folder(telemetry: TelemetrySettings) -> None:
    """End the process unless it was given a folder for the metrics of all its children.

    prometheus_client decides when it is imported; set later, each child would count for itself.
    """
    if telemetry.multiproc_dir is None:
        exit_for(
            SettingsError(["PROMETHEUS_MULTIPROC_DIR: expected a folder for this process alone"])
        )


def read_port(reader: EnvironmentReader, name: str, default: int) -> int:
    """Read a TCP port."""
    return reader.integer(name, default, low=1, high=HIGHEST_PORT)


def read_path(reader: EnvironmentReader, name: str) -> Path | None:
    """Read a path; None when the variable is not set."""
    text = reader.text(name, "")
    return Path(text) if text else None


def read_words(reader: EnvironmentReader, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Read words that commas separate."""
    text = reader.text(name, ",".join(default))
    return tuple(word.strip() for word in text.split(",") if word.strip())


def read_url(reader: EnvironmentReader, name: str, default: str) -> str:
    """Read an HTTP address without a trailing slash."""
    url = reader.text(name, default)
    if not url.startswith(("http://", "https://")):
        reader.add_problem(name, "an address that starts with http:// or https://", value=url)
    return url.rstrip("/")
