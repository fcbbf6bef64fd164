"""Bring the database up to date: `python -m service.migrate`.

Safe to run several times at once: all work happens under one advisory lock, which the server frees
when its holder dies. (The lock of the migration tool is a row, which a killed process leaves
behind.)
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI

from observability.instrumentation.logs import configure_logging
from service.settings import MigrateSettings
from service.storage.postgres import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.settings import DatabaseSettings

OWNER = "orders_migrate"
FOLDER = Path(__file__).parent / "storage" / "migrations"
LOCK = 7_305_808_869
# Advisory locks belong to one database, roles to the server, where two migrations can collide.
COLLISIONS = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateObject,
    psycopg.errors.InternalError_,
    psycopg.errors.DeadlockDetected,
)
TRIES = 20
# Of all connections, so that neither the API nor the worker takes the other's.
ROLE_SHARE = 0.7
EXPORTER_CONNECTIONS = 5
# One of our queries needs none. Without a limit, a single query can fill the disk.
TEMPORARY_FILES = "64MB"
# Every role may call the functions of large objects, which any role could fill the disk with.
REVOKE_LARGE_OBJECTS = """
    DO $$
    DECLARE call regprocedure;
    BEGIN
        FOR call IN SELECT oid FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^lo(_|read|write)'
        LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', call);
        END LOOP;
    END
    $$"""

logger = logging.getLogger(__name__)


class MigrationError(RuntimeError):
    """Migrations that are still pending after all were applied."""


def migrate(settings: MigrateSettings) -> list[str]:
    """Create the roles, apply missing migrations and return their ids."""
    with _lock(settings) as conn:
        for role, password in (
            ("orders_service", settings.service_password),
            ("orders_worker", settings.worker_password),
            ("orders_exporter", settings.exporter_password),
        ):
            _change_server(conn, lambda role=role, secret=password: _make_role(conn, role, secret))
        _change_server(conn, lambda: _own_database(conn, settings.database))
        _change_server(conn, lambda: _close_other_databases(conn))
        return _apply(settings.database)


def wait_for_database(database: DatabaseSettings, seconds: float) -> psycopg.Connection[Any]:
    """Return a connection once the server accepts one; raise the last error at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            arguments = address(database, "migrate")
            return psycopg.connect(**arguments, autocommit=True, connect_timeout=2)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def _lock(settings: MigrateSettings) -> Iterator[psycopg.Connection[Any]]:
    with wait_for_database(settings.database, settings.wait_seconds) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        yield conn


def _change_server(conn: psycopg.Connection[Any], change: Any) -> None:
    """Change something server-wide; try again if another database's migration does the same."""
    for left in reversed(range(TRIES)):
        try:
            with conn.transaction():
                change()
        except COLLISIONS:
            if not left:
                raise
            time.sleep(0.05)
        else:
            return


def _make_role(conn: psycopg.Connection[Any], role: str, password: str) -> None:
    name = sql.Identifier(role)
    if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
        conn.execute(sql.SQL("CREATE ROLE {}").format(name))
    # Hashed here, so that the password is in no statement that the server may log.
    verifier = conn.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    conn.execute(
        sql.SQL(
            "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            " PASSWORD {}"
        ).format(name, sql.Literal(verifier.decode()))
    )
    _limit_role(conn, name, EXPORTER_CONNECTIONS if role == "orders_exporter" else None)
    if role == "orders_exporter":
        conn.execute(sql.SQL("GRANT pg_monitor TO {}").format(name))


def _limit_role(
    conn: psycopg.Connection[Any], name: sql.Identifier, connections: int | None
) -> None:
    """Limit a role's connections, by default to its share of all, and its temporary files."""
    if connections is None:
        most = conn.execute("SELECT setting::int FROM pg_settings WHERE name = 'max_connections'")
        connections = int(most.fetchall()[0][0] * ROLE_SHARE)
    for statement, value in (
        ("ALTER ROLE {} CONNECTION LIMIT {}", connections),
        ("ALTER ROLE {} SET temp_file_limit = {}", TEMPORARY_FILES),
    ):
        conn.execute(sql.SQL(statement).format(name, sql.Literal(value)))


def _own_database(conn: psycopg.Connection[Any], database: DatabaseSettings) -> None:
    if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (OWNER,)).fetchone():
        conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(OWNER)))
    names = {"database": sql.Identifier(database.name), "owner": sql.Identifier(OWNER)}
    for statement in (
        "ALTER DATABASE {database} OWNER TO {owner}",
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {database} TO orders_service, orders_worker, orders_exporter",
    ):
        conn.execute(sql.SQL(statement).format(**names))
    conn.execute(REVOKE_LARGE_OBJECTS)


def _close_other_databases(conn: psycopg.Connection[Any]) -> None:
    """Leave the databases that every server has to superusers."""
    found = conn.execute(
        "SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1')"
    )
    for (name,) in found.fetchall():
        statement = sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC")
        conn.execute(statement.format(sql.Identifier(name)))


def _apply(database: DatabaseSettings) -> list[str]:
    arguments = address(database, "migrate")
    uri = DatabaseURI(
        scheme="postgresql+psycopg",
        username=arguments.pop("user"),
        password=arguments.pop("password"),
        hostname=arguments.pop("host"),
        port=arguments.pop("port"),
        database=arguments.pop("dbname"),
        args={**arguments, "options": f"-c role={OWNER}"},
    )
    with PostgresqlPsycopgBackend(uri, "_yoyo_migration") as backend:
        backend.init_database()
        backend.break_lock()
        migrations = read_migrations(str(FOLDER))
        missing = backend.to_apply(migrations)
        applied = [migration.id for migration in missing]
        backend.apply_migrations(missing)
        left = [migration.id for migration in backend.to_apply(migrations)]
    if left or not migrations:
        raise MigrationError(f"not applied: {', '.join(left) or 'no migration was found'}")
    return applied


def main() -> int:
    """Migrate the database that the environment names; return the exit code."""
    settings = MigrateSettings.from_env_or_exit()
    configure_logging(settings.telemetry)
    try:
        applied = migrate(settings)
    except (psycopg.Error, MigrationError) as error:
        logger.error("the database was not migrated: %s", error)  # noqa: TRY400
        return 1
    logger.info("the database is up to date", extra={"applied": applied})
    return 0


if __name__ == "__main__":
    sys.exit(main())
