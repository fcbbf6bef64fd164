"""The servers of the tests and of the local mode."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.servers.binaries import Binaries, ProgramMissingError
from tools.servers import ROOT, is_listening, running_postgres, running_redis


def test_postgres_has_the_extension_that_the_dashboards_read(postgres):
    database = postgres.create_database()
    with postgres.connect(database) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        assert connection.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (
            True,
        )
        assert connection.info.server_version >= 180000


def test_postgres_refuses_a_wrong_password(postgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host=postgres.host,
            port=postgres.port,
            user=postgres.superuser,
            password="x",
            dbname="postgres",
        )


def test_postgres_leaves_nothing_behind(tmp_path):
    with running_postgres(tmp_path) as server:
        port = server.port
    assert not is_listening(port)


def test_a_killed_postgres_leaves_no_shared_memory(tmp_path):
    def segments():
        return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}

    with running_postgres(tmp_path) as server:
        segment = (server.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        assert segment in segments()
        server.process.kill()
    assert segment not in segments()


@pytest.mark.parametrize("password", ["plain", "a b#c$d%e&f'g\"h\\i@j:k/l?m=n{o}p`q!r;s|t<u>v~w*x"])
def test_redis_accepts_any_password(tmp_path, password):
    with running_redis(tmp_path, password=password) as server:
        assert redis.Redis(port=server.port, password=password).ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port, password="wrong", retry=Retry(NoBackoff(), 0)).ping()


def test_a_broker_keeps_its_messages_after_a_kill(tmp_path):
    with running_redis(tmp_path, durable=True) as server:
        client = redis.Redis(port=server.port)
        client.lpush("orders", "message")
        server.process.kill()
        server.process.wait()
    with running_redis(tmp_path, durable=True) as server:
        assert redis.Redis(port=server.port).lrange("orders", 0, -1) == [b"message"]


def test_the_error_for_a_missing_program_suggests_a_fix(tmp_path):
    with pytest.raises(
        ProgramMissingError, match="/nowhere/redis-server is not an executable file"
    ):
        Binaries(tmp_path, {"redis-server": tmp_path / ".." / "nowhere" / "redis-server"}).find(
            "redis-server"
        )


def test_programs_print_their_version(promtool_bins, prometheus_bin, alertmanager_bin, amtool_bin):
    for program in (*promtool_bins, prometheus_bin, alertmanager_bin, amtool_bin):
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        assert "version" in shown.stdout + shown.stderr


def test_git_ignores_the_folder_of_programs():
    ignored = subprocess.run(
        ["git", "check-ignore", ".state"], cwd=ROOT, capture_output=True, check=False
    )
    assert ignored.returncode == 0
