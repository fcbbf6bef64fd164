"""A real gunicorn that serves the API with several workers on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from observability.instrumentation.settings import TelemetrySettings
from service.migrate import migrate
from service.settings import DatabaseSettings, MigrateSettings
from tools.servers import ROOT, Postgres, Redis, free_port, running, wait_until

# Characters that URLs, shells, SQL, Compose and INI files treat specially.
AWKWARD = "p@ss:w/o?r#d %20%s $$x ${y} \"q\" 'a' \\b `c` ;&|<>{}[]=,é"


def migrate_settings(postgres: Postgres, name: str) -> MigrateSettings:
    return MigrateSettings(
        database=DatabaseSettings(
            port=postgres.port, name=name, user=postgres.superuser, password=postgres.password
        ),
        service_password=AWKWARD,
        worker_password="worker",
        exporter_password="exporter",
        telemetry=TelemetrySettings(),
    )


@dataclass
class Served:
    """A running gunicorn."""

    url: str
    metrics_url: str
    database: str
    process: subprocess.Popen[bytes]
    log: Path

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of all samples with this name and these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        text = requests.get(f"{self.metrics_url}/metrics", timeout=10).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        found = [line for line in lines if all(pair in line for pair in wanted)]
        assert found, f"no sample of {name} with {labels}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def workers(self) -> list[int]:
        """Return the ids of the worker processes."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]


def environment(folder: Path, postgres: Postgres, name: str, cache: Redis) -> dict[str, str]:
    """Return the variables of an API on these servers; its folder for metrics is made."""
    metrics = folder / "metrics"
    metrics.mkdir()
    password_file = folder / "database-password"
    password_file.write_text(AWKWARD + "\n")
    return {
        "PATH": os.environ["PATH"],
        "ORDERS_PORT": str(free_port()),
        "ORDERS_METRICS_PORT": str(free_port()),
        "ORDERS_DATABASE_PORT": str(postgres.port),
        "ORDERS_DATABASE_NAME": name,
        "ORDERS_DATABASE_PASSWORD_FILE": str(password_file),
        "ORDERS_CACHE_PORT": str(cache.port),
        "ORDERS_CACHE_PASSWORD": cache.password or "",
        "ORDERS_FAULTS_FILE": str(folder / "faults.json"),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "OTEL_TRACES_EXPORTER": "none",
        "TELEMETRY_LOGS_EXPORT": "off",
    }


def command(*options: str) -> list[str]:
    """Return how the API is started everywhere."""
    config = ["-c", "python:service.gunicorn_conf"]
    return [sys.executable, "-m", "gunicorn", *config, *options, "service.wsgi:app"]


@contextmanager
def serving(
    folder: Path, postgres: Postgres, cache: Redis, changes: Mapping[str, str] = {}
) -> Iterator[Served]:
    """Serve the API on a new database of this server."""
    name = postgres.create_database()
    migrate(migrate_settings(postgres, name))
    environ = environment(folder, postgres, name, cache) | changes
    url = f"http://127.0.0.1:{environ['ORDERS_PORT']}"
    log = folder / "orders.log"

    def is_ready() -> bool:
        return requests.get(f"{url}/readyz", timeout=2).ok

    with running(command(), log=log, ready=is_ready, env=environ, cwd=ROOT) as process:
        metrics_url = f"http://127.0.0.1:{environ['ORDERS_METRICS_PORT']}"
        served = Served(url, metrics_url, name, process, log)
        wait_until(lambda: len(served.workers()) == int(environ.get("ORDERS_WORKERS", "2")))
        yield served
