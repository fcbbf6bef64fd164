"""Prepare a state folder for a start: programs, passwords, the database cluster, files."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import click

from local.cli.errors import RefusedError
from local.servers import command_lines
from local.servers.binaries import Binaries, ProgramMissingError
from local.servers.children import PlanBuilder
from local.servers.configs import write_alertmanager, write_prometheus
from local.servers.passwords import (
    ensure_passwords,
    write_redis_passwords,
    write_web_config,
)
from local.settings import LocalSettings
from local.state import StateFolder
from local.supervisor.folder import write_atomically
from observability.instrumentation.environment import SettingsError
from simulators.load import write_rate

STACK_PROGRAMS = ("prometheus", "alertmanager")
PROGRAMS = ("redis-server", *STACK_PROGRAMS)


def prepare(settings: LocalSettings, state: StateFolder) -> None:
    """Create what is missing, and rewrite what depends on the settings.

    Args:
        settings: Ports, paths, rates.
        state: The folder to prepare.

    Raises:
        RefusedError: A setting is bad, a program is missing, or the database cluster cannot be
            created.
    """
    try:
        write_alertmanager(settings, state.alertmanager)
    except SettingsError as error:
        raise RefusedError(str(error)) from error
    binaries = Binaries(
        settings.programs, settings.program_paths, path=settings.environment.get("PATH")
    )
    ensure_passwords(state)
    if settings.sample:
        write_redis_passwords(state)
    _move_old_logs(state)
    click.echo("finding programs; those that are missing are fetched from Debian's packages")
    try:
        write_web_config(state)
        with ThreadPoolExecutor() as pool:
            cluster = pool.submit(_create_cluster, binaries, state) if settings.sample else None
            for name in PROGRAMS if settings.sample else STACK_PROGRAMS:
                click.echo(f"{name}: {binaries.find(name)}")
            if cluster:
                cluster.result()
        PlanBuilder(settings, binaries).plan().save(state.plan)
    except ProgramMissingError as error:
        raise RefusedError(str(error)) from error
    except subprocess.CalledProcessError as error:
        raise RefusedError(f"{error}\n{error.stderr}") from error
    write_prometheus(settings, state.path / "prometheus.yml")
    write_rate(state.load, settings.load_rate)
    if not state.faults.exists():
        write_atomically(state.faults, '{"flags": {}}\n')


def _move_old_logs(state: StateFolder) -> None:
    for log in state.log("any").parent.glob("*.log"):
        log.replace(log.with_name(log.name + ".1"))


def _create_cluster(binaries: Binaries, state: StateFolder) -> None:
    """Create the cluster beside its final path, so that an interrupted attempt is not used."""
    cluster = state.path / "postgres"
    if (cluster / "PG_VERSION").exists():
        return
    draft = state.path / "postgres.new"
    for folder in (cluster, draft):
        shutil.rmtree(folder, ignore_errors=True)
    password = state.secret("orders_migrate").read_text()
    command_lines.init_postgres(binaries.postgres_folder(), draft, password)
    draft.rename(cluster)
