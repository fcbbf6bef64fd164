"""Create the database if it is missing, then run the service's migrations as in Docker.

In Docker the image of PostgreSQL creates the database; a cluster made by `initdb` has none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
from psycopg import sql

from local.supervisor.settings import inherited_environment
from service.migrate import LOCK, main


def create_database(environment: dict[str, str]) -> None:
    """Create the database that `ORDERS_DATABASE_NAME` names, unless it exists."""
    name = environment["ORDERS_DATABASE_NAME"]
    with psycopg.connect(
        host=environment["ORDERS_DATABASE_HOST"],
        port=environment["ORDERS_DATABASE_PORT"],
        user=environment["ORDERS_DATABASE_USER"],
        password=Path(environment["ORDERS_DATABASE_PASSWORD_FILE"]).read_text().rstrip("\r\n"),
        dbname="postgres",
        autocommit=True,
        connect_timeout=10,
    ) as connection:
        # Two migrations at once: the second waits, and finds the database.
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


if __name__ == "__main__":
    create_database(inherited_environment())
    sys.exit(main())
