from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from service.migrate import migrate
from tools.served_api import AWKWARD, migrate_settings
from tools.servers import ROOT, Postgres, free_port


def environment(postgres: Postgres, name: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ORDERS_DATABASE_PORT": str(postgres.port),
        "ORDERS_DATABASE_NAME": name,
        "ORDERS_DATABASE_USER": postgres.superuser,
        "ORDERS_DATABASE_PASSWORD": postgres.password,
        "ORDERS_SERVICE_PASSWORD": AWKWARD,
        "ORDERS_WORKER_PASSWORD": "worker",
        "ORDERS_EXPORTER_PASSWORD": "exporter",
    }


def start(environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service.migrate"],
        cwd=ROOT,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def connect_as(postgres: Postgres, name: str, user: str, password: str) -> psycopg.Connection:
    return psycopg.connect(
        host=postgres.host, port=postgres.port, dbname=name, user=user, password=password
    )


def test_eight_at_once_apply_each_migration_once(postgres: Postgres) -> None:
    name = postgres.create_database()

    runs = [start(environment(postgres, name)) for _ in range(8)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]

    assert [run.returncode for run in runs] == [0] * 8, outputs
    with postgres.connect(name) as conn:
        applied = conn.execute(
            "SELECT migration_id, count(*) FROM _yoyo_log WHERE operation = 'apply' GROUP BY 1"
        ).fetchall()
    files = {path.stem for path in (ROOT / "service" / "storage" / "migrations").glob("*.sql")}
    assert dict(applied) == dict.fromkeys(files, 1)
    assert not any(AWKWARD in output for output in outputs)


def test_a_second_run_applies_nothing(postgres: Postgres) -> None:
    settings = migrate_settings(postgres, postgres.create_database())

    assert migrate(settings) == ["0001.orders", "0002.grants"]
    assert migrate(settings) == []


def test_a_run_killed_before_it_marked_a_migration_is_made_good_by_the_next(
    postgres: Postgres,
) -> None:
    settings = migrate_settings(postgres, postgres.create_database())
    migrate(settings)
    with postgres.connect(settings.database.name) as conn:
        conn.execute("DELETE FROM _yoyo_migration")
        conn.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 4242)")

    assert migrate(settings) == ["0001.orders", "0002.grants"]


def test_everything_belongs_to_the_migrating_role_whoever_connects(postgres: Postgres) -> None:
    name = postgres.create_database()
    with postgres.connect() as conn:
        conn.execute("CREATE ROLE another SUPERUSER LOGIN PASSWORD 'another'")
    settings = migrate_settings(postgres, name)
    database = replace(settings.database, user="another", password="another")

    migrate(replace(settings, database=database))

    with postgres.connect(name) as conn:
        owners = conn.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname='public'")
        assert owners.fetchall() == [("orders_migrate",)]


def test_a_new_password_replaces_the_old_one(postgres: Postgres) -> None:
    settings = migrate_settings(postgres, postgres.create_database())
    migrate(replace(settings, exporter_password="first"))
    migrate(settings)

    with connect_as(postgres, settings.database.name, "orders_exporter", "exporter") as conn:
        assert conn.execute("SELECT pg_has_role('pg_monitor', 'member')").fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError):
        connect_as(postgres, settings.database.name, "orders_exporter", "first")


def test_a_database_that_never_comes_ends_with_one_line_and_code_1(tmp_path: Path) -> None:
    environ = {
        **environment(Postgres(free_port(), "x", tmp_path, None), "orders"),  # type: ignore[arg-type]
        "ORDERS_MIGRATE_WAIT_SECONDS": "0.5",
    }
    run = start(environ)
    output, _ = run.communicate(timeout=30)

    assert run.returncode == 1
    assert "Traceback" not in output


def test_missing_settings_are_listed_all_at_once_with_code_2() -> None:
    run = start({"PATH": os.environ["PATH"], "ORDERS_DATABASE_PORT": "many"})
    output, _ = run.communicate(timeout=30)

    assert run.returncode == 2
    for name in (
        "DATABASE_PORT='many'",
        "DATABASE_PASSWORD",
        "SERVICE_PASSWORD",
        "WORKER_PASSWORD",
    ):
        assert f"ORDERS_{name}" in output
    assert "Traceback" not in output


ALLOWED = {
    ("orders_service", "orders"): {"SELECT", "INSERT"},
    ("orders_service", "idempotency_keys"): {"SELECT", "INSERT", "UPDATE"},
    ("orders_service", "payments"): {"SELECT"},
    ("orders_service", "outbox"): {"INSERT"},
    ("orders_worker", "orders"): {"SELECT"},
    ("orders_worker", "payments"): {"SELECT", "INSERT", "UPDATE"},
    ("orders_worker", "outbox"): {"SELECT", "INSERT", "UPDATE", "DELETE"},
    ("orders_worker", "emails"): {"SELECT", "INSERT"},
    ("orders_worker", "dead_letters"): {"SELECT", "INSERT", "UPDATE", "DELETE"},
    ("orders_worker", "idempotency_keys"): {"SELECT", "DELETE"},
}


@pytest.mark.parametrize("role", ["orders_service", "orders_worker", "orders_exporter"])
def test_each_role_may_do_what_its_process_does_and_no_more(
    postgres: Postgres, migrated, role
) -> None:
    with postgres.connect(migrated) as conn:
        held = conn.execute(
            "SELECT tablename, privilege FROM pg_tables, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE',"
            " 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege WHERE schemaname ="
            " 'public' AND has_table_privilege(%s, quote_ident(tablename), privilege)",
            (role,),
        ).fetchall()

    allowed = {
        (table, right)
        for (who, table), rights in ALLOWED.items()
        if who == role
        for right in rights
    }
    assert set(held) == allowed


@pytest.mark.parametrize("role", ["orders_service", "orders_worker"])
def test_of_an_order_only_its_status_may_change(postgres: Postgres, migrated, role) -> None:
    with postgres.connect(migrated) as conn:
        columns = conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0"
            " AND has_column_privilege(%s, 'orders', attname, 'UPDATE') ORDER BY 1",
            (role,),
        ).fetchall()

    assert columns == [("status",), ("updated_at",), ("version",)]


def test_no_role_may_create_anything(postgres: Postgres, migrated) -> None:
    with postgres.connect(migrated) as conn:
        rights = conn.execute(
            "SELECT rolname, has_schema_privilege(rolname, 'public', 'CREATE'),"
            " has_database_privilege(rolname, current_database(), 'CREATE, TEMP'),"
            " rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication"
            " FROM pg_roles WHERE rolname IN"
            " ('orders_service', 'orders_worker', 'orders_exporter')"
        ).fetchall()

    assert len(rights) == 3
    assert all(not any(flags) for _, *flags in rights)


ROLES = {"orders_service": AWKWARD, "orders_worker": "worker", "orders_exporter": "exporter"}
each_role = pytest.mark.parametrize("role", ROLES)


@each_role
@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_a_role_can_use_its_own_database_only(postgres: Postgres, migrated, role, database) -> None:
    connect_as(postgres, migrated, role, ROLES[role]).close()
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect_as(postgres, database, role, ROLES[role])


@each_role
@pytest.mark.parametrize("call", ["lo_create(0)", "lo_creat(-1)", "lo_from_bytea(0, 'x')"])
def test_no_role_may_make_large_objects(postgres: Postgres, migrated, role, call) -> None:
    with (
        connect_as(postgres, migrated, role, ROLES[role]) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(f"SELECT {call}")


@each_role
def test_a_query_cannot_fill_the_disk_with_temporary_files(
    postgres: Postgres, migrated, role
) -> None:
    rows = "SELECT repeat('x', 1000) AS text, n FROM generate_series(1, 200000) AS n"
    with (
        connect_as(postgres, migrated, role, ROLES[role]) as conn,
        pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="temp_file_limit"),
    ):
        conn.execute(f"SELECT count(*) FROM ({rows} ORDER BY text, n) AS sorted")


def test_no_role_can_take_all_connections(postgres: Postgres, migrated) -> None:
    with postgres.connect(migrated) as conn:
        most = int(conn.execute("SHOW max_connections").fetchone()[0])
        limits = dict(
            conn.execute("SELECT rolname, rolconnlimit FROM pg_roles WHERE NOT rolsuper").fetchall()
        )
    assert 0 < limits["orders_exporter"] < limits["orders_worker"] < most * 0.8
    assert 0 < limits["orders_service"] < most * 0.8

    opened = [
        connect_as(postgres, migrated, "orders_exporter", "exporter")
        for _ in range(limits["orders_exporter"])
    ]
    with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
        connect_as(postgres, migrated, "orders_exporter", "exporter")
    connect_as(postgres, migrated, "orders_worker", "worker").close()
    for one in opened:
        one.close()
