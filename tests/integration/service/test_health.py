from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from service.migrate import migrate
from service.settings import DatabaseSettings
from tests.integration.service.orders import place, place_one
from tools.served_api import AWKWARD, migrate_settings
from tools.servers import running_postgres, wait_until


@pytest.fixture
def own_postgres(tmp_path):
    """A PostgreSQL that the test may break."""
    with running_postgres(tmp_path / "postgres") as server:
        yield server


@pytest.fixture
def own_database(own_postgres):
    name = own_postgres.create_database()
    migrate(migrate_settings(own_postgres, name))
    return DatabaseSettings(
        port=own_postgres.port, name=name, user="orders_service", password=AWKWARD
    )


def children(pid: int) -> list[int]:
    """Return the ids of a server's backends; each leads a session of its own."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def statuses(answer) -> dict[str, str]:
    return {name: check["status"] for name, check in answer.json["checks"].items()}


def test_all_is_well(client) -> None:
    assert client.get("/livez").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (200, "ok")
    assert statuses(ready) == {"postgres": "ok", "cache": "ok"}


def test_without_the_cache_it_is_degraded_and_still_takes_orders(make_app, settings) -> None:
    client = make_app(cache=replace(settings.cache, port=1)).test_client()

    ready = client.get("/readyz")

    assert (ready.status_code, ready.json["status"]) == (200, "degraded")
    assert statuses(ready) == {"postgres": "ok", "cache": "degraded"}
    assert client.get(f"/v1/orders/{place_one(client)}").status_code == 200


def test_without_the_database_it_is_down_and_alive(make_app, settings) -> None:
    client = make_app(database=replace(settings.database, port=1)).test_client()

    ready = client.get("/readyz")

    assert (ready.status_code, ready.json["status"]) == (503, "down")
    assert statuses(ready) == {"postgres": "down", "cache": "ok"}
    assert client.get("/livez").status_code == 200


def test_with_a_wrong_password_it_is_down_and_shows_no_secret(make_app, settings) -> None:
    database = replace(settings.database, password="not this one")
    client = make_app(database=database).test_client()

    ready = client.get("/readyz")

    assert ready.status_code == 503
    assert "not this one" not in ready.text


def test_a_pool_that_is_only_busy_is_degraded_and_not_down(make_app) -> None:
    app = make_app(threads=1)
    client, database = app.test_client(), app.extensions["orders"]["database"]
    database.open()

    with database.pool.connection(timeout=5):
        ready = client.get("/readyz")

    assert (ready.status_code, statuses(ready)["postgres"]) == (200, "degraded")
    assert client.get("/readyz").json["status"] == "ok"


class TestWhenTheDatabaseGoesAway:
    @pytest.fixture
    def client(self, make_app, own_database):
        return make_app(database=own_database).test_client()

    def test_what_was_read_lately_is_still_served(self, client, own_postgres) -> None:
        order_id = place_one(client)
        os.killpg(own_postgres.process.pid, signal.SIGKILL)
        own_postgres.process.wait()

        assert client.get(f"/v1/orders/{order_id}").status_code == 200

    def test_a_stale_order_has_its_age(self, app, client, own_postgres, cache_client) -> None:
        order_id = place_one(client)
        entry = cache_client.get(f"order:{order_id}").split(b" ", 2)
        old = b"%b %d %b" % (entry[0], time.time() - 100, entry[2])
        cache_client.set(f"order:{order_id}", old)
        os.killpg(own_postgres.process.pid, signal.SIGKILL)
        own_postgres.process.wait()

        answer = client.get(f"/v1/orders/{order_id}")

        assert answer.status_code == 200
        assert int(answer.headers["Age"]) in range(100, 110)
        assert answer.headers["Warning"].startswith("110")

    def test_after_the_first_request_the_others_fail_fast(self, client, own_postgres) -> None:
        place_one(client)
        os.killpg(own_postgres.process.pid, signal.SIGKILL)
        own_postgres.process.wait()
        place(client)
        start = time.monotonic()
        answers = [place(client) for _ in range(10)]

        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["Retry-After"] == "1" for answer in answers)
        assert time.monotonic() - start < 2.5

    def test_a_server_that_hangs_costs_a_bounded_time(self, client, own_postgres) -> None:
        place_one(client)
        backends = children(own_postgres.process.pid)
        for pid in (own_postgres.process.pid, *backends):
            os.kill(pid, signal.SIGSTOP)
        try:
            start = time.monotonic()
            assert place(client).status_code == 503
            assert time.monotonic() - start < 4
            start = time.monotonic()
            assert client.get("/readyz").status_code == 503
            assert time.monotonic() - start < 4
        finally:
            for pid in (*backends, own_postgres.process.pid):
                os.kill(pid, signal.SIGCONT)
        assert wait_until(lambda: place(client).status_code == 201, 10)

    def test_lost_connections_are_replaced_without_an_error(self, client, own_postgres) -> None:
        place_one(client)
        with own_postgres.connect() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE usename = 'orders_service'"
            )

        assert [place(client).status_code for _ in range(4)] == [201] * 4
