"""Create the passwords of a state folder, once."""

from __future__ import annotations

import ctypes
import secrets
import string
from contextlib import suppress

from local.servers.binaries import ProgramMissingError
from local.settings import SERVER_USER
from local.state import StateFolder
from local.supervisor.folder import write_atomically

# The secret of Prometheus and Alertmanager.
SERVERS = "prometheus"
NAMES = (
    *("orders_migrate", "orders_service", "orders_worker", "orders_exporter"),
    *("cache", "broker", SERVERS),
)
# Names of the library with crypt(3) in Debian, in Fedora, and in the C library itself.
CRYPT_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)
# The lowest cost: the password is random, and each server checks it at every request.
BCRYPT = "$2b$04$"


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


def write_web_config(state: StateFolder) -> None:
    """Write the file by which Prometheus and Alertmanager ask for their password.

    Raises:
        ProgramMissingError: This machine's crypt(3) lacks bcrypt.
    """
    hashed = bcrypt(state.secret(SERVERS).read_text().rstrip("\r\n"))
    write_atomically(state.web_config, f"basic_auth_users: {{{SERVER_USER}: {hashed}}}\n")


def bcrypt(password: str) -> str:
    """Return the bcrypt hash of a password, by crypt(3): Python lost its module in 3.13.

    Raises:
        ProgramMissingError: This machine's crypt(3) lacks bcrypt.
    """
    letters = f"./{string.ascii_letters}{string.digits}"
    salt = "".join(secrets.choice(letters) for _ in range(21)) + secrets.choice(".Oeu")
    for name in CRYPT_LIBRARIES:
        with suppress(OSError, AttributeError):
            crypt = ctypes.CDLL(name).crypt
            crypt.restype = ctypes.c_char_p
            hashed: bytes | None = crypt(password.encode(), f"{BCRYPT}{salt}".encode())
            if hashed and hashed.startswith(BCRYPT.encode()):
                return hashed.decode()
    raise ProgramMissingError(
        "libcrypt with bcrypt is missing: install libcrypt1 (Debian) or libxcrypt (Fedora)"
    )
