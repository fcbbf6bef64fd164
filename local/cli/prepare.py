"""Lay out a state folder before the start: programs, passwords, the database cluster, files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from local.servers import command_lines
from local.servers.binaries import Binaries, ProgramMissingError
from local.servers.children import PlanBuilder
from local.servers.configs import write_alertmanager, write_prometheus
from local.servers.passwords import ensure_passwords, write_redis_passwords
from local.settings import LocalSettings
from local.state import StateFolder, write_whole
from simulators.load import write_rate

PROGRAMS = ("redis-server", "prometheus", "alertmanager")


class PrepareError(RuntimeError):
    """Raised when a program cannot be had, or the cluster cannot be made."""


def prepare(settings: LocalSettings, state: StateFolder, say: Callable[[str], None]) -> None:
    """Make whatever is missing, and write anew what depends on the settings.

    Args:
        settings: Ports, paths, rates.
        state: The folder to lay out.
        say: Gets one line after the other.

    Raises:
        PrepareError: With what would help.
    """
    binaries = Binaries(
        settings.programs, settings.program_paths, path=settings.environment.get("PATH")
    )
    ensure_passwords(state)
    write_redis_passwords(state)
    _put_old_logs_aside(state)
    say("finding programs; those that are missing are fetched from Debian's packages")
    try:
        with ThreadPoolExecutor() as pool:
            cluster = pool.submit(_make_cluster, binaries, state)
            for name in PROGRAMS:
                say(f"{name}: {binaries.find(name)}")
            cluster.result()
        PlanBuilder(settings, binaries).plan().save(state.plan)
    except ProgramMissingError as error:
        raise PrepareError(str(error)) from error
    except subprocess.CalledProcessError as error:
        raise PrepareError(f"{error}\n{error.stderr}") from error
    write_prometheus(settings, state.path / "prometheus.yml")
    write_alertmanager(settings, state.path / "alertmanager.yml")
    write_rate(state.load, settings.load_rate)
    if not state.faults.exists():
        write_whole(state.faults, '{"flags": {}}\n')


def _put_old_logs_aside(state: StateFolder) -> None:
    for log in state.log("any").parent.glob("*.log"):
        log.replace(log.with_name(log.name + ".1"))


def _make_cluster(binaries: Binaries, state: StateFolder) -> None:
    """Make the cluster beside its place, so that an interrupted attempt is never taken for one."""
    cluster = state.path / "postgres"
    if (cluster / "PG_VERSION").exists():
        return
    draft = state.path / "postgres.new"
    for folder in (cluster, draft):
        shutil.rmtree(folder, ignore_errors=True)
    password = state.secret("orders_migrate").read_text()
    command_lines.init_postgres(binaries.postgres_folder(), draft, password)
    draft.rename(cluster)
