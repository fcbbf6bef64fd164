"""Check what a start needs, and print what to do about each thing that is missing."""

from __future__ import annotations

import locale
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import click
import psutil

from local.cli.docker_mode import Engine, problems_before_start
from local.cli.ports import taken_ports
from local.cli.prepare import STACK_PROGRAMS
from local.servers.binaries import Binaries, ProgramMissingError
from local.servers.passwords import bcrypt
from local.settings import LocalSettings
from local.state import StateFolder

DISK_NEEDED = 2e9
# The whole local mode takes two thirds of it.
MEMORY_NEEDED = 1e9
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
PROXY_SECONDS = 3


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        name: What was checked.
        text: What was found and, if it prevents a start, what to do.
        is_problem: Whether it prevents a start.
    """

    name: str
    text: str
    is_problem: bool = False


def doctor(settings: LocalSettings, engine: Engine | None) -> int:
    """Print one line per finding.

    Args:
        settings: Ports, paths, proxies.
        engine: The Docker engine that `make up` would use; None for the local mode.

    Returns:
        Exit code: 0 if nothing prevents a start, 1 otherwise.
    """
    findings = list(diagnose(settings, engine))
    for finding in findings:
        word = "PROBLEM" if finding.is_problem else "ok"
        click.echo(f"{word:<9}{finding.name:<13}{finding.text}")
    problems = sum(finding.is_problem for finding in findings)
    click.echo(f"\nproblems: {problems}" if problems else "\nnothing prevents a start")
    return 1 if problems else 0


def diagnose(settings: LocalSettings, engine: Engine | None) -> Iterator[Finding]:
    """Yield what each check finds; a check that fails itself is a problem too."""
    for check in DOCKER_CHECKS if engine else LOCAL_CHECKS:
        try:
            yield from check(settings, engine)
        except (OSError, ProgramMissingError) as error:
            yield Finding(check.__name__.strip("_"), str(error), is_problem=True)


def _python(_: LocalSettings, __: Engine | None) -> Iterator[Finding]:
    yield Finding("Python", f"{sys.version.split()[0]} in {sys.prefix}")


def _engine(settings: LocalSettings, engine: Engine | None) -> Iterator[Finding]:
    if engine is None:
        yield Finding("engine", "no Docker engine answers, or MODE=local: processes, no containers")
        return
    version = ".".join(map(str, engine.compose))
    yield Finding("engine", f"{engine.memory_bytes / 1e9:.1f} GB of memory, Compose {version}")
    for problem in problems_before_start(engine, settings):
        yield Finding("Docker", problem, is_problem=True)


def _memory(_: LocalSettings, __: Engine | None) -> Iterator[Finding]:
    available = psutil.virtual_memory().available
    text = f"{available / 1e9:.1f} GB available"
    if available < MEMORY_NEEDED:
        text += f"; {MEMORY_NEEDED / 1e9:.0f} GB are needed: close programs"
    yield Finding("memory", text, is_problem=available < MEMORY_NEEDED)


def _state(settings: LocalSettings, _: Engine | None) -> Iterator[Finding]:
    """Check the state folder and the disk that it is on."""
    state = StateFolder(settings.state)
    try:
        state.create()
    except OSError as error:
        text = f"{state.path} cannot be written ({error.strerror}): set ORDERS_STATE_DIR"
        yield Finding("state folder", text, is_problem=True)
        return
    yield Finding("state folder", str(state.path))
    free = shutil.disk_usage(state.path).free
    text = f"{free / 1e9:.1f} GB free"
    if free < DISK_NEEDED:
        text += f"; {DISK_NEEDED / 1e9:.0f} GB are needed: free some, or set ORDERS_STATE_DIR"
    yield Finding("disk", text, is_problem=free < DISK_NEEDED)


def _ports(settings: LocalSettings, _: Engine | None) -> Iterator[Finding]:
    if StateFolder(settings.state).is_running():
        yield Finding("ports", "the local mode is running: see `make status`")
        return
    problems = taken_ports(settings, settings.listeners())
    for problem in problems:
        yield Finding("port", problem, is_problem=True)
    if not problems:
        yield Finding("ports", f"all {len(settings.listeners())} are free")


def _programs(settings: LocalSettings, _: Engine | None) -> Iterator[Finding]:
    """Check the servers' programs and libcrypt; whether what is missing can be fetched."""
    path = settings.environment.get("PATH")
    binaries = Binaries(settings.programs, settings.program_paths, path=path)
    bcrypt("")
    names = ("redis-server", *STACK_PROGRAMS) if settings.sample else STACK_PROGRAMS
    missing = [name for name in names if not binaries.has(name)]
    tools = [tool for tool in ("apt-get", "dpkg") if not shutil.which(tool, path=path)]
    if missing and tools:
        text = f"{', '.join(missing)} missing, and no {' or '.join(tools)} to fetch from Debian: "
        yield Finding("programs", f"{text}install them, or set …_BIN in .env", is_problem=True)
    else:
        fetched = f"; `make up` fetches {', '.join(missing)} from Debian" if missing else ""
        yield Finding("programs", f"{len(names) - len(missing)} of {len(names)} found{fetched}")
    if settings.sample:
        yield Finding("PostgreSQL", str(binaries.postgres_folder()))


def _permissions(_: LocalSettings, __: Engine | None) -> Iterator[Finding]:
    tools = [tool for tool in ("setpriv", "unshare") if not shutil.which(tool)]
    if os.geteuid() == 0 and tools:
        text = f"PostgreSQL must not run as root, and {' and '.join(tools)} are missing: "
        text += "install util-linux, or start as another user"
        yield Finding("user", text, is_problem=True)
    else:
        yield Finding("user", "root; PostgreSQL drops it" if os.geteuid() == 0 else "not root")


def _locale(_: LocalSettings, __: Engine | None) -> Iterator[Finding]:
    encoding = locale.getpreferredencoding(do_setlocale=False)
    is_problem = encoding.lower().replace("-", "") != "utf8"
    help_text = "; UTF-8 is needed: export LC_ALL=C.UTF-8" if is_problem else ""
    yield Finding("locale", f"{encoding}{help_text}", is_problem=is_problem)


def _proxy(settings: LocalSettings, _: Engine | None) -> Iterator[Finding]:
    """Check that proxies answer; downloads go through them."""
    given = {name: url for name in PROXIES if (url := settings.environment.get(name))}
    for name, url in given.items():
        parts = urlsplit(url if "//" in url else f"//{url}")
        try:
            address = (parts.hostname or "", parts.port or 80)
            socket.create_connection(address, timeout=PROXY_SECONDS).close()
        except (OSError, ValueError) as error:
            text = f"{name} does not answer ({error}): correct it, or unset it"
            yield Finding("proxy", text, is_problem=True)
        else:
            yield Finding("proxy", f"{name} answers")
    no_proxy = settings.environment.get("no_proxy") or settings.environment.get("NO_PROXY", "")
    if given and not {"127.0.0.1", "localhost", "*"} & set(no_proxy.split(",")):
        text = "NO_PROXY lacks localhost,127.0.0.1: curl and browsers may not reach the pages; add"
        yield Finding("proxy", f"{text} them")
    if not given:
        yield Finding("proxy", "none")


Check = Callable[[LocalSettings, Engine | None], Iterator[Finding]]
DOCKER_CHECKS: tuple[Check, ...] = (_python, _engine, _proxy, _locale)
LOCAL_CHECKS: tuple[Check, ...] = (
    _python,
    _engine,
    _memory,
    _state,
    _ports,
    _programs,
    _permissions,
    _locale,
    _proxy,
)
