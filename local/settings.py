"""The local mode's settings: the environment, and below it the `.env` that Compose reads too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.dotenv_file import DotenvError, read_dotenv

ROOT = Path(__file__).resolve().parent.parent

# Variable: default, who listens there.
PORTS = {
    "ORDERS_PORT": (8000, "orders"),
    "ORDERS_METRICS_PORT": (9464, "orders"),
    "ORDERS_WORKER_METRICS_PORT": (9465, "orders-worker"),
    "ORDERS_RELAY_METRICS_PORT": (9466, "orders-relay"),
    "ORDERS_PAYMENT_PROVIDER_PORT": (8081, "payment-provider"),
    "ORDERS_PAYMENT_PROVIDER_METRICS_PORT": (9467, "payment-provider"),
    "ORDERS_DATABASE_PORT": (15432, "postgres"),
    "ORDERS_CACHE_PORT": (16379, "cache"),
    "ORDERS_BROKER_PORT": (16380, "broker"),
    "ORDERS_SMTP_PORT": (1025, "console"),
    "GRAFANA_PORT": (3000, "console"),
    "OTLP_PORT": (4318, "console"),
    "MAIL_PORT": (8025, "console"),
    "PROMETHEUS_PORT": (9090, "prometheus"),
    "ALERTMANAGER_PORT": (9093, "alertmanager"),
}
PROFILES = ("demo", "production")
# Variable: the program whose path it names.
PROGRAMS = {
    "PG_BIN": "postgres",
    "REDIS_SERVER_BIN": "redis-server",
    "PROMETHEUS_BIN": "prometheus",
    "ALERTMANAGER_BIN": "alertmanager",
}


class SettingsError(ValueError):
    """Raised with every bad variable at once.

    Args:
        problems: One sentence per variable.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class LocalSettings:
    """What the local mode needs to know before it starts anything.

    Args:
        state: Folder of everything that the local mode writes; absolute.
        programs: Folder of fetched programs, shared by every state folder of this checkout.
        program_paths: Programs that the user named, by name.
        profile: `demo` or `production`: which SLO windows the rules have.
        load_rate: Requests per second of the made-up customers; 0 is none.
        worker_concurrency: Processes of the Celery worker; it judges the value itself.
        ports: Loopback ports by variable.
        environment: What the children inherit.
    """

    state: Path
    programs: Path
    program_paths: Mapping[str, Path]
    profile: str
    load_rate: float
    worker_concurrency: str
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
        settings = cls(
            state=ROOT / (merged.get("ORDERS_STATE_DIR") or ".state"),
            programs=ROOT / (merged.get("ORDERS_PROGRAMS_DIR") or ".state/programs"),
            program_paths={n: Path(merged[v]) for v, n in PROGRAMS.items() if merged.get(v)},
            profile=_profile(merged, problems),
            load_rate=_load_rate(merged, problems),
            worker_concurrency=merged.get("ORDERS_WORKER_CONCURRENCY") or "2",
            ports=_ports(merged, problems),
            environment=merged,
        )
        if problems:
            raise SettingsError(problems)
        return settings

    def address(self, variable: str) -> str:
        """Return host and port of the listener that a port variable names."""
        return f"127.0.0.1:{self.ports[variable]}"


def inherited_environment() -> dict[str, str]:
    """Return the variables that this process was given, to hand them on."""
    return dict(os.environ)


def parse_rate(text: str) -> float:
    """Return a load in requests per second.

    Raises:
        ValueError: It is no number from 0 to 1000.
    """
    rate = float(text)
    if not 0 <= rate <= 1000:
        raise ValueError(text)
    return rate


def _load_rate(environ: Mapping[str, str], problems: list[str]) -> float:
    text = environ.get("ORDERS_LOAD_RATE") or "10"
    try:
        return parse_rate(text)
    except ValueError:
        problems.append(f"ORDERS_LOAD_RATE={text!r}: expected requests per second, 0 to 1000")
        return 0


def _profile(environ: Mapping[str, str], problems: list[str]) -> str:
    profile = environ.get("SLO_PROFILE") or PROFILES[0]
    if profile not in PROFILES:
        problems.append(f"SLO_PROFILE={profile!r}: expected {' or '.join(PROFILES)}")
    return profile


def _ports(environ: Mapping[str, str], problems: list[str]) -> dict[str, int]:
    """Return every port; two variables may not name the same one."""
    ports: dict[str, int] = {}
    for variable, (default, _) in PORTS.items():
        text = environ.get(variable) or str(default)
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            problems.append(f"{variable}={text!r}: expected a port number, 1 to 65535")
            continue
        if twin := next((name for name, port in ports.items() if port == int(text)), None):
            problems.append(f"{variable}={text}: {twin} has this port already")
        ports[variable] = int(text)
    return ports
