"""The local mode's settings: the environment, and below it the `.env` that Compose reads too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.console.settings import PROFILES, ConsoleSettings
from local.dotenv_file import DotenvError, read_dotenv
from observability.instrumentation.environment import (
    EnvironmentReader,
    EnvironmentSettings,
    Setting,
    TrustedHosts,
    flag,
    http_url,
    number,
    one_of,
    port_number,
    setting,
)
from service.settings import Settings
from simulators.settings import CustomersSettings, ProviderSettings
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parent.parent

# Variable: process that listens there.
LISTENERS = {
    "ORDERS_PORT": "orders",
    "ORDERS_METRICS_PORT": "orders",
    "ORDERS_WORKER_METRICS_PORT": "orders-worker",
    "ORDERS_RELAY_METRICS_PORT": "orders-relay",
    "ORDERS_PAYMENT_PROVIDER_PORT": "payment-provider",
    "ORDERS_PAYMENT_PROVIDER_METRICS_PORT": "payment-provider",
    "ORDERS_DATABASE_PORT": "postgres",
    "ORDERS_CACHE_PORT": "cache",
    "ORDERS_BROKER_PORT": "broker",
    "ORDERS_SMTP_PORT": "console",
    "GRAFANA_PORT": "console",
    "OTLP_PORT": "console",
    "MAIL_PORT": "console",
    "PROMETHEUS_PORT": "console",
    "ALERTMANAGER_PORT": "console",
    "PROMETHEUS_SERVER_PORT": "prometheus",
    "ALERTMANAGER_SERVER_PORT": "alertmanager",
}
# The only user of Prometheus and Alertmanager.
SERVER_USER = ConsoleSettings.SERVER_USER
# What remains without the sample: a stack for one's own program.
STACK = ("console", "prometheus", "alertmanager")
_VARIABLES = {
    **ConsoleSettings.variables(),
    **ProviderSettings.variables(),
    **WorkerSettings.variables(),
    **Settings.variables(),
}
# Variable: default of the program's own settings, process that listens there.
PORTS = {name: (_VARIABLES[name].default, listener) for name, listener in LISTENERS.items()}
# Variable: the program whose path it names.
PROGRAMS = {
    "PG_BIN": "postgres",
    "REDIS_SERVER_BIN": "redis-server",
    "PROMETHEUS_BIN": "prometheus",
    "ALERTMANAGER_BIN": "alertmanager",
}


def _from_root(text: str) -> Path:
    return ROOT / text


def _folder(text: str) -> Path:
    if not (path := ROOT / text).is_dir():
        raise ValueError("a folder that exists")
    return path


@dataclass(frozen=True, kw_only=True)
class LocalSettings(EnvironmentSettings):
    """Settings of the local mode.

    Args:
        state: Folder of everything that the local mode writes; absolute.
        programs: Folder of fetched programs, shared by every state folder of this checkout.
        program_paths: Paths that the user set, by program.
        sample: Whether the order service and its servers run, or only the stack.
        dashboards: The user's folder of dashboards; None is the default of the mode.
        rules: The user's folder of rules, instead of those of the profile.
        scrape: The user's folder of scrape jobs, instead of those of the sample.
        runbooks: The user's folder of runbooks.
        profile: SLO windows of the rules, `demo` or `production`.
        public_url: Where the console is reached from outside; empty if only from this machine.
        trusted_hosts: Public names that every port answers for, apart from that of `public_url`.
        load_rate: Requests per second of the simulated customers; 0 is none.
        worker_concurrency: Processes of the Celery worker, which checks the value itself.
        ports: Loopback ports by variable.
        environment: Variables that the children inherit.
    """

    state: Path = setting("ORDERS_STATE_DIR", ROOT / ".state", _from_root)
    programs: Path = setting("ORDERS_PROGRAMS_DIR", ROOT / ".state/programs", _from_root)
    sample: bool = setting("SAMPLE", True, flag)
    dashboards: Path | None = setting("DASHBOARDS_DIR", None, _folder)
    rules: Path | None = setting("RULES_DIR", None, _folder)
    scrape: Path | None = setting("SCRAPE_DIR", None, _folder)
    runbooks: Path | None = setting("RUNBOOKS_DIR", None, _folder)
    profile: str = setting("SLO_PROFILE", PROFILES[0], one_of(*PROFILES))
    public_url: str = setting("SIGHTLINE_URL", "", http_url)
    trusted_hosts: TrustedHosts = setting(
        "TRUSTED_HOSTS", TrustedHosts(), TrustedHosts.parse, formerly=("ORDERS_TRUSTED_HOSTS",)
    )
    load_rate: float = setting("ORDERS_LOAD_RATE", CustomersSettings.load_rate, number(0, 1000))
    worker_concurrency: str = setting("ORDERS_WORKER_CONCURRENCY", "2")
    program_paths: Mapping[str, Path]
    ports: Mapping[str, int]
    environment: Mapping[str, str]

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] = os.environ, dotenv: Path = ROOT / ".env"
    ) -> LocalSettings:
        """Read the settings; the environment wins over the file.

        Raises:
            SettingsError: With every bad variable and every unreadable line.
        """
        problems: list[str] = []
        try:
            merged = {**read_dotenv(dotenv, environ), **environ}
        except DotenvError as error:
            problems, merged = error.problems, dict(environ)
        reader = EnvironmentReader(merged, problems)
        settings = cls.read(
            reader,
            program_paths={
                name: Path(path)
                for variable, name in PROGRAMS.items()
                if (path := reader.raw(variable))
            },
            ports=_ports(reader),
            environment=merged,
        )
        reader.finish()
        return settings

    @classmethod
    def variables(cls) -> dict[str, Setting]:
        """Return every setting by its variable, ports and programs included."""
        others = [*(_port_setting(name) for name in PORTS), *(Setting(n, None) for n in PROGRAMS)]
        return super().variables() | {one.name: one for one in others}

    @property
    def link_url(self) -> str:
        """The address of the console in links, without a slash at its end."""
        return self.public_url or f"http://{self.address('GRAFANA_PORT')}"

    def listeners(self) -> list[str]:
        """Return the port variables of the processes that run."""
        return [name for name, process in LISTENERS.items() if self.sample or process in STACK]

    def address(self, variable: str) -> str:
        """Return host and port of the listener that a port variable names."""
        return f"127.0.0.1:{self.ports[variable]}"


def _port_setting(variable: str) -> Setting:
    return Setting(variable, PORTS[variable][0], port_number)


def _ports(reader: EnvironmentReader) -> dict[str, int]:
    """Return every port; two variables may not name the same one."""
    ports: dict[str, int] = {}
    for variable in PORTS:
        port = reader.read(_port_setting(variable))
        is_bad = reader.raw(variable) not in (None, str(port))
        twin = next((name for name, taken in ports.items() if taken == port), None)
        if twin and not is_bad:
            reader.add_line(f"{variable}={port}: {twin} has this port already")
        ports[variable] = port
    return ports
