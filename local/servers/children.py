"""The plan of the local mode: the project's own processes and the servers that they need."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterable
from dataclasses import replace

from local.servers import command_lines
from local.servers.binaries import Binaries
from local.servers.child_environment import environment_of
from local.servers.passwords import SERVERS
from local.settings import SERVER_USER, LocalSettings
from local.state import StateFolder
from local.supervisor.plan import Child, Plan, Probe
from service.semconv import QUEUES

RETENTION = ("--storage.tsdb.retention.time=40d", "--storage.tsdb.retention.size=8GB")
# A fifth of the garbage that Go allows by default, for a little CPU.
LEAN_GO = {"GOGC": "20"}
# As in Compose: a running task may end before its worker is killed.
WORKER_GRACE_SECONDS = 30
# A title would overwrite the environment, which identifies leftover processes.
NO_TITLE = ("--set-proc-title", "no")
# The path of prometheus_client's server that collects nothing: a scrape reads the database and the
# broker, and a process is not to be restarted because they are slow.
NO_METRICS = "/favicon.ico"


class PlanBuilder:
    """Builder of the local mode's plan.

    Args:
        settings: Ports, paths, rates.
        binaries: The servers' programs.
    """

    def __init__(self, settings: LocalSettings, binaries: Binaries) -> None:
        self._settings = settings
        self._state = StateFolder(settings.state)
        self._binaries = binaries

    def plan(self) -> Plan:
        """Return every child, servers first."""
        stack = (*self._stack(), self._console())
        if not self._settings.sample:
            return Plan(stack)
        return Plan((*self._servers(), *stack, *self._applications()))

    def _servers(self) -> Iterable[Child]:
        yield self._postgres()
        yield self._redis("cache", durable=False)
        yield self._redis("broker", durable=True)

    def _stack(self) -> Iterable[Child]:
        settings, folder = self._settings, self._state.path
        prometheus = command_lines.prometheus_command(
            self._binaries.find("prometheus"),
            folder / "prometheus.yml",
            folder / "prometheus",
            settings.ports["PROMETHEUS_SERVER_PORT"],
            *RETENTION,
            f"--web.cors.origin={re.escape(settings.link_url)}",
            *command_lines.links_to(settings.link_url),
            *command_lines.guarded_by(self._state.web_config),
        )
        yield self._guarded("prometheus", prometheus)
        alertmanager = command_lines.alertmanager_command(
            self._binaries.find("alertmanager"),
            self._state.alertmanager / "alertmanager.yml",
            folder / "alertmanager",
            settings.ports["ALERTMANAGER_SERVER_PORT"],
            *command_lines.links_to(f"{settings.link_url}/alerts"),
            *command_lines.guarded_by(self._state.web_config),
        )
        yield self._guarded("alertmanager", alertmanager)

    def _guarded(self, name: str, command: list[str]) -> Child:
        """Return a server that asks for a password, and that people reach through the console."""
        port = self._settings.ports[f"{name.upper()}_SERVER_PORT"]
        probe = Probe(
            "http", port, "/-/ready", user=SERVER_USER, password_file=self._password(SERVERS)
        )
        child = self._server(name, command, probe, replace(probe, path="/-/healthy"))
        return replace(child, address=self._settings.address(f"{name.upper()}_PORT"))

    def _password(self, name: str) -> str:
        return str(self._state.secret(name))

    def _postgres(self) -> Child:
        port = self._settings.ports["ORDERS_DATABASE_PORT"]
        command = command_lines.postgres_command(
            self._binaries.postgres_folder(),
            self._state.path / "postgres",
            port,
            shared_buffers="8MB",
            # Processes that this small database does not need.
            io_method="sync",
            max_logical_replication_workers=0,
        )
        probe = Probe("postgres", port)
        return self._server("postgres", command, probe, probe, stop_signal=signal.SIGINT)

    def _redis(self, name: str, *, durable: bool) -> Child:
        port = self._settings.ports[f"ORDERS_{name.upper()}_PORT"]
        folder = self._state.path / name
        command = command_lines.redis_command(
            self._binaries.find("redis-server"), folder, port, durable=durable
        )
        probe = Probe("redis", port, password_file=self._password(name))
        return self._server(name, [*command, *NO_TITLE], probe, probe)

    def _server(
        self,
        name: str,
        command: list[str],
        probe: Probe,
        live: Probe,
        stop_signal: int = signal.SIGTERM,
    ) -> Child:
        return Child(
            name,
            tuple(command),
            probe=probe,
            live=live,
            address=f"127.0.0.1:{probe.port}",
            environment=LEAN_GO if name in {"prometheus", "alertmanager"} else {},
            stop_signal=stop_signal,
        )

    def _console(self) -> Child:
        return self._python(
            "console", "-m", "local.console", port="GRAFANA_PORT", path="/livez", live="/livez"
        )

    def _applications(self) -> Iterable[Child]:
        yield self._python("migrate", "-m", "local.servers.migrate", needs=("postgres",), once=True)
        yield self._python(
            "payment-provider", "-m", "simulators.payment_provider",
            needs=("console",), port="ORDERS_PAYMENT_PROVIDER_PORT", path="/livez", live="/livez",
        )  # fmt: skip
        yield self._python(
            "orders", "-m", "gunicorn", "-c", "python:service.gunicorn_conf", "service.wsgi:app",
            needs=("migrate", "cache", "console"),
            port="ORDERS_PORT", path="/readyz", live="/livez",
        )  # fmt: skip
        yield self._python(
            "orders-relay", "-m", "worker.relay",
            needs=("migrate", "broker", "console"),
            port="ORDERS_RELAY_METRICS_PORT", path="/metrics", live=NO_METRICS,
        )  # fmt: skip
        yield self._worker()
        yield self._python(
            "customers", "-m", "simulators.customers",
            needs=("orders", "orders-relay", "orders-worker", "payment-provider"),
        )  # fmt: skip

    def _worker(self) -> Child:
        return self._python(
            "orders-worker", "-m", "celery", "-A", "worker.main:app", "worker",
            "-Q", ",".join(QUEUES), "--pool", "prefork", "-c", self._settings.worker_concurrency,
            "--without-gossip", "--without-mingle", "--without-heartbeat",
            needs=("migrate", "broker", "console", "payment-provider"),
            port="ORDERS_WORKER_METRICS_PORT", path="/metrics", live=NO_METRICS,
            grace_seconds=WORKER_GRACE_SECONDS,
        )  # fmt: skip

    def _python(
        self,
        name: str,
        *arguments: str,
        needs: tuple[str, ...] = (),
        port: str | None = None,
        path: str = "/",
        live: str = "",
        once: bool = False,
        grace_seconds: float = Child.grace_seconds,
    ) -> Child:
        return Child(
            name,
            (sys.executable, *arguments),
            needs=needs,
            environment=environment_of(name, self._settings),
            probe=self._http(port, path) if port else Probe(),
            live=self._http(port, live) if port and live else None,
            address=self._settings.address(port) if port else "",
            once=once,
            grace_seconds=grace_seconds,
        )

    def _http(self, port: str, path: str) -> Probe:
        return Probe("http", self._settings.ports[port], path)
