"""Real servers for tests: on free loopback ports, ended with the test that asked for them."""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from local.servers import command_lines
from local.servers.binaries import Binaries
from local.servers.passwords import redis_word
from tools.free_ports import free_ports

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
PROGRAMS = Binaries(ROOT / ".state" / "programs")


def free_port() -> int:
    """Return a free loopback port."""
    return free_ports(1)[0]


def wait_until(condition: Callable[[], T], seconds: float = 20, interval: float = 0.05) -> T:
    """Poll until the condition is truthy and return its value.

    An exception counts as not yet; the last one is shown when the time is over.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except Exception as error:  # noqa: BLE001 - whatever it is, it may pass
            last = error
        time.sleep(interval)
    raise AssertionError(f"not within {seconds} s; last seen: {last!r}")


def is_listening(port: int) -> bool:
    """Return whether the loopback port accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(
    command: list[str],
    *,
    log: Path,
    stop: signal.Signals = signal.SIGTERM,
    ready: Callable[[], object] | None = None,
    seconds: float = 30,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in its own session until the block ends; nothing of it is left over.

    Args:
        command: Program and arguments.
        log: File that gets its output.
        stop: The signal that asks it to end; after 10 s the session is killed.
        ready: Polled until truthy before the block starts.
        seconds: How long that may take.
        options: For `subprocess.Popen`.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
    try:
        if ready is not None:
            wait_until(lambda: _alive(process, log) and ready(), seconds)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


class ProcessDiedError(BaseException):
    """The process ended before it was ready; not an Exception, so that polling stops at once."""


def _alive(process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        tail = log.read_text(errors="replace")[-2000:]
        raise ProcessDiedError(f"{process.args!r} ended with {process.returncode}:\n{tail}")
    return True


@dataclass
class Postgres:
    """A running PostgreSQL and its superuser."""

    port: int
    password: str
    data: Path
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"
    superuser: str = command_lines.SUPERUSER
    _names: Iterator[int] = field(default_factory=itertools.count)

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection:
        """Open a connection as the superuser, in autocommit."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.superuser,
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=3,
            **options,
        )

    def create_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"test_{next(self._names)}_{secrets.token_hex(3)}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return name


@contextmanager
def running_postgres(folder: Path, **settings: object) -> Iterator[Postgres]:
    """Run a PostgreSQL with a new cluster below `folder`."""
    bin_folder, data, port = PROGRAMS.postgres_folder(), folder / "data", free_port()
    password = secrets.token_urlsafe(12)
    command_lines.init_postgres(bin_folder, data, password)
    command = command_lines.postgres_command(bin_folder, data, port, fsync="off", **settings)
    try:
        with running(command, log=folder / "postgres.log", stop=signal.SIGINT) as process:
            server = Postgres(port, password, data, process)
            wait_until(
                lambda: _alive(process, folder / "postgres.log") and not server.connect().close()
            )
            yield server
    finally:
        release_shared_memory(data)


def release_shared_memory(data: Path) -> None:
    """Remove the segment of a PostgreSQL that was killed; else it stays until the machine restarts.

    Source: PostgreSQL's miscadmin.h, line 7 of postmaster.pid: key and id of the segment.
    """
    with suppress(FileNotFoundError, IndexError):
        segment = (data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        subprocess.run(["ipcrm", "-m", segment], check=False, capture_output=True)


@dataclass
class Redis:
    """A running Redis."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    password: str | None = None
    host: str = "127.0.0.1"


@contextmanager
def running_redis(
    folder: Path, *, durable: bool = False, password: str | None = None, port: int | None = None
) -> Iterator[Redis]:
    """Run a Redis, as a broker (durable) or as a cache."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    if password is not None:
        (folder / "password.conf").write_text(f"requirepass {redis_word(password)}\n")
    command = command_lines.redis_command(
        PROGRAMS.find("redis-server"), folder, port, durable=durable
    )
    with running(command, log=folder / "redis.log", ready=lambda: is_listening(port)) as process:
        yield Redis(port, folder, process, password)


@contextmanager
def running_prometheus(folder: Path, config: str, *more: str) -> Iterator[str]:
    """Run a Prometheus with this configuration text; yield its base URL."""
    port, path = free_port(), folder / "prometheus.yml"
    path.write_text(config)
    command = command_lines.prometheus_command(
        PROGRAMS.find("prometheus"), path, folder / "tsdb", port, *more
    )
    with running(command, log=folder / "prometheus.log", ready=lambda: _answers(port)):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running_alertmanager(folder: Path, config: Path, *more: str) -> Iterator[str]:
    """Run an Alertmanager with this configuration file; yield its base URL."""
    port = free_port()
    command = command_lines.alertmanager_command(
        PROGRAMS.find("alertmanager"), config, folder / "data", port, *more
    )
    with running(command, log=folder / "alertmanager.log", ready=lambda: _answers(port)):
        yield f"http://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 401  # it asks for a password
