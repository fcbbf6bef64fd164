"""The migration of the local mode, on a new cluster of `initdb`."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import psycopg
import pytest

from tools.servers import ROOT

ROLES = ("service", "worker", "exporter")


@pytest.fixture
def environ(postgres, tmp_path):
    passwords = {"migrate": postgres.password}
    # Every character that a URL or a command line would trip over.
    passwords |= {role: f"{role} @:/?#%&'\"\\ü$ {secrets.token_hex(3)}" for role in ROLES}
    files = {}
    for role, password in passwords.items():
        (tmp_path / role).write_text(password)
        variable = "DATABASE" if role == "migrate" else role.upper()
        files[f"ORDERS_{variable}_PASSWORD_FILE"] = str(tmp_path / role)
    return {
        **os.environ,
        **files,
        "ORDERS_DATABASE_HOST": postgres.host,
        "ORDERS_DATABASE_PORT": str(postgres.port),
        "ORDERS_DATABASE_USER": postgres.superuser,
        "ORDERS_DATABASE_NAME": f"orders_{secrets.token_hex(3)}",
    }, passwords


def test_a_new_cluster_gets_database_tables_and_roles_and_a_second_run_succeeds(environ, postgres):
    variables, passwords = environ
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "local.servers.migrate"],
            check=False,
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(
        host=postgres.host,
        port=postgres.port,
        dbname=variables["ORDERS_DATABASE_NAME"],
        user="orders_service",
        password=passwords["service"],
    ) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_migrations_that_run_at_once_all_succeed(environ):
    variables, _ = environ
    command = [sys.executable, "-m", "local.servers.migrate"]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in running]
    assert [code for _, code in ends] == [0, 0, 0, 0], ends
