"""Create the passwords of a state folder, once."""

from __future__ import annotations

import secrets

from local.state import StateFolder
from local.supervisor.folder import write_atomically

NAMES = ("orders_migrate", "orders_service", "orders_worker", "orders_exporter", "cache", "broker")


def ensure_passwords(state: StateFolder) -> None:
    """Write a random password for each name that has none; only the owner may read it."""
    folder = state.secret("")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in NAMES:
        file = state.secret(name)
        if not file.exists():
            write_atomically(file, secrets.token_urlsafe(24))


def write_redis_passwords(state: StateFolder) -> None:
    """Write the password of each Redis into the configuration that it includes."""
    for name in ("cache", "broker"):
        file = state.path / name / "password.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        password = state.secret(name).read_text().rstrip("\r\n")
        file.write_text(f"requirepass {redis_word(password)}\n")


def redis_word(text: str) -> str:
    """Return a text as a quoted word of a redis.conf."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
