"""The environment of each process of the project; the same names as in Docker."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from local.servers.passwords import SERVERS
from local.settings import ROOT, LocalSettings
from local.state import StateFolder
from service.semconv import SERVICE_NAMESPACE

# Process: its database role.
ROLES = {
    "orders": "orders_service",
    "orders-worker": "orders_worker",
    "orders-relay": "orders_worker",
    "migrate": "orders_migrate",
}
# What a stack that is started alone shows, in Docker too.
EMPTY = ROOT / "observability" / "stack" / "inputs" / "dashboards"
_SECRET = re.compile(r"((ORDERS|PROMETHEUS)_\w+_PASSWORD(_FILE)?|ALERT_\w+)\Z")


def inherited(settings: LocalSettings) -> dict[str, str]:
    """Return the variables of every child: this process's own without secrets.

    Passwords belong to the state folder, receivers of alerts to Alertmanager's configuration.
    Compiling every module at each start takes seconds and twice the memory, so byte code is written
    even if this environment disables it.
    """
    dropped = {name for name in settings.environment if _SECRET.match(name)}
    dropped.add("PYTHONDONTWRITEBYTECODE")
    return {name: text for name, text in settings.environment.items() if name not in dropped}


def environment_of(name: str, settings: LocalSettings) -> dict[str, str]:
    """Return the variables of one process on top of the inherited ones.

    Args:
        name: Its name in the plan, and its `service.name`.
        settings: Ports and paths.
    """
    state = StateFolder(settings.state)
    variables = {variable: str(port) for variable, port in settings.ports.items()}
    for server in ("DATABASE", "CACHE", "BROKER", "SMTP"):
        variables[f"ORDERS_{server}_HOST"] = "127.0.0.1"
    variables |= {
        "ORDERS_STATE_DIR": str(state.path),
        "ORDERS_FAULTS_FILE": str(state.faults),
        "ORDERS_LOAD_FILE": str(state.load),
        "ORDERS_URL": f"http://{settings.address('ORDERS_PORT')}",
        "ORDERS_PAYMENT_PROVIDER_URL": f"http://{settings.address('ORDERS_PAYMENT_PROVIDER_PORT')}",
        "ORDERS_PAYMENT_PROVIDER_LEDGER": str(state.path / "payment-provider.sqlite"),
        "ORDERS_WORKER_CONCURRENCY": settings.worker_concurrency,
        "SLO_PROFILE": settings.profile,
        "PROMETHEUS_MULTIPROC_DIR": str(state.path / "metrics" / name),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "1",
        "NO_PROXY": _with_loopback(settings.environment.get("NO_PROXY", "")),
    }
    if settings.public_url:
        names = (*settings.trusted_hosts.names, str(urlsplit(settings.public_url).hostname))
        variables["TRUSTED_HOSTS"] = ",".join(names)
    if settings.dashboards is None and not settings.sample:
        variables["DASHBOARDS_DIR"] = str(EMPTY)
    return variables | _telemetry(name, settings) | _passwords(name, state)


def _telemetry(name: str, settings: LocalSettings) -> dict[str, str]:
    """Return OpenTelemetry's variables; one that the user set is kept."""
    attributes = f"service.namespace={SERVICE_NAMESPACE},deployment.environment.name=local"
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{settings.address('OTLP_PORT')}",
        "OTEL_RESOURCE_ATTRIBUTES": attributes,
    }
    unset = {name: text for name, text in variables.items() if not settings.environment.get(name)}
    return unset | {"OTEL_SERVICE_NAME": name}


def _passwords(name: str, state: StateFolder) -> dict[str, str]:
    """Return the password files that a process needs, and no others."""
    if name == "console":
        return {"PROMETHEUS_SERVER_PASSWORD_FILE": str(state.secret(SERVERS))}
    if name not in ROLES:
        return {}
    variables = {
        "ORDERS_DATABASE_NAME": "orders",
        "ORDERS_DATABASE_USER": ROLES[name],
        "ORDERS_DATABASE_PASSWORD_FILE": str(state.secret(ROLES[name])),
    }
    others: tuple[str, ...] = ("cache", "broker")
    if name == "migrate":
        others = ("service", "worker", "exporter")
    for other in others:
        file = f"orders_{other}" if name == "migrate" else other
        variables[f"ORDERS_{other.upper()}_PASSWORD_FILE"] = str(state.secret(file))
    return variables


def _with_loopback(no_proxy: str) -> str:
    return ",".join(filter(None, (no_proxy, "127.0.0.1", "localhost")))
