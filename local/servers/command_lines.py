"""Command lines of the servers that the local mode and the tests start, all on loopback."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

# The Unix user that owns nothing.
PLAIN_ID = 65534
SUPERUSER = "orders_migrate"


@cache
def _user_namespaces_work() -> bool:
    probe = ["unshare", "--user", f"--map-user={PLAIN_ID}", f"--map-group={PLAIN_ID}", "true"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


def without_root(data: Path) -> list[str]:
    """Return a prefix for PostgreSQL's commands so that they do not run as root.

    PostgreSQL refuses to run as root. A user namespace that maps root to an unprivileged user needs
    no account and no change of ownership; where namespaces are denied (most containers), that user
    becomes the owner of the data folder. The signal at the parent's death is set here because
    mapping users clears it.

    Args:
        data: The data folder.
    """
    if os.geteuid() != 0:
        return []
    die_with_parent = ["setpriv", "--pdeathsig", "INT"]
    if _user_namespaces_work():
        unshare = ["unshare", "--user", f"--map-user={PLAIN_ID}", f"--map-group={PLAIN_ID}"]
        return [*unshare, *die_with_parent, "--"]
    data.mkdir(parents=True, exist_ok=True)
    shutil.chown(data, PLAIN_ID, PLAIN_ID)
    # The folder around it may be closed to others; the group may pass through, and read nothing.
    shutil.chown(data.parent, group=PLAIN_ID)
    data.parent.chmod(data.parent.stat().st_mode | stat.S_IXGRP)
    return [*die_with_parent, f"--reuid={PLAIN_ID}", f"--regid={PLAIN_ID}", "--clear-groups", "--"]


def init_postgres(bin_folder: Path, data: Path, password: str) -> None:
    """Create a database cluster, unless one exists.

    Args:
        bin_folder: Folder of `initdb`.
        data: The data folder; created if missing.
        password: Password of the superuser `SUPERUSER`; any characters but a line end.

    Raises:
        subprocess.CalledProcessError: initdb failed; its output is in `stderr`.
    """
    if (data / "PG_VERSION").exists():
        return
    prefix = without_root(data)
    initdb = str(bin_folder / "initdb")
    secret = _password_file(data.with_name(f"{data.name}.password"), password)
    login = ["--username", SUPERUSER, f"--pwfile={secret}", "--auth=scram-sha-256"]
    options = ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    command = [*prefix, initdb, "--pgdata", str(data), *login, *options]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    finally:
        secret.unlink()


def _password_file(path: Path, password: str) -> Path:
    """Write a file that only the user who runs `initdb` may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(password + "\n")
    if os.geteuid() == 0 and not _user_namespaces_work():
        shutil.chown(path, PLAIN_ID, PLAIN_ID)
    return path


def postgres_command(bin_folder: Path, data: Path, port: int, **settings: object) -> list[str]:
    """Return the command of a PostgreSQL on loopback TCP; SIGINT stops it fast.

    Args:
        bin_folder: Folder of `postgres`.
        data: A folder that `init_postgres` created.
        port: TCP port.
        settings: Further settings of PostgreSQL by name.
    """
    chosen: dict[str, object] = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "shared_buffers": "32MB",
        "max_connections": 60,
        "shared_preload_libraries": "pg_stat_statements",
        **settings,
    }
    words = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    return [*without_root(data), str(bin_folder / "postgres"), "-D", str(data), *words]


def redis_command(
    program: Path, folder: Path, port: int, *, durable: bool, max_memory: str = "64mb"
) -> list[str]:
    """Return the command of a Redis on loopback.

    Args:
        program: `redis-server`.
        folder: Its working folder; created if missing. A `password.conf` in it is included.
        port: TCP port.
        durable: True for a broker (append-only file, no eviction), False for a cache (LRU).
        max_memory: Redis' own notation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "password.conf"
    # `always`: with a later fsync Redis may answer before it has written, and a SIGKILL then loses
    # accepted messages.
    broker = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
    cache = ["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]
    start = [str(program), *([str(secret)] if secret.exists() else [])]
    listen = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    limits = ["--save", "", "--maxmemory", max_memory]
    return [*start, *listen, *limits, *(broker if durable else cache)]


def prometheus_command(program: Path, config: Path, data: Path, port: int, *more: str) -> list[str]:
    """Return the command of a Prometheus on loopback.

    Args:
        program: `prometheus`, 2.42 or later.
        config: Its configuration file.
        data: Its storage folder.
        port: TCP port.
        more: Further flags.
    """
    return [
        str(program),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        *more,
    ]


def guarded_by(web_config: Path) -> list[str]:
    """Return the flag by which Prometheus and Alertmanager ask for a password."""
    return [f"--web.config.file={web_config}"]


def links_to(url: str) -> list[str]:
    """Return the flags for links in alerts: Debian's Prometheus and Alertmanager have no pages.

    Args:
        url: The console's page in place of theirs; `/graph?g0.expr=…` is appended for queries.
    """
    return [f"--web.external-url={url}", "--web.route-prefix=/"]


def alertmanager_command(
    program: Path, config: Path, data: Path, port: int, *more: str
) -> list[str]:
    """Return the command of a single Alertmanager on loopback.

    Args:
        program: `alertmanager`.
        config: Its configuration file.
        data: Its storage folder.
        port: TCP port.
        more: Further flags.
    """
    return [
        str(program),
        f"--config.file={config}",
        f"--storage.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        *more,
    ]
