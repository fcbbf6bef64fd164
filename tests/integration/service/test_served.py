"""The API as users meet it: gunicorn with two workers, real PostgreSQL and Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from service.faults.switchboard import set_fault
from tests.integration.service.orders import an_order
from tools.outages.gates import GATE_HOST, Way, open_gates
from tools.served_api import AWKWARD, Served, command, environment, serving
from tools.servers import ROOT, Redis, running_postgres, running_redis, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path, postgres, cache_server):
    """An API on the session's servers."""
    with serving(tmp_path, postgres, cache_server) as one:
        yield one


def place(served: Served, key: str | None = None) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return requests.post(f"{served.url}/v1/orders", json=an_order(), headers=headers, timeout=10)


def place_patiently(served: Served, key: str) -> dict:
    """Place an order as a client that wants it: the same key again until it has an answer."""

    def attempt() -> dict | None:
        answer = place(served, key)
        assert answer.status_code in {201, 503}, answer.text
        return answer.json() if answer.status_code == 201 else None

    return wait_until(attempt, 20)


def test_all_workers_count_into_the_same_metrics(served: Served) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: place(served).status_code, range(60)))

    assert answers == [201] * 60
    assert served.metric("orders_placed_total") == 60
    assert (
        served.metric(
            "http_server_request_duration_seconds_count",
            http_route="/v1/orders",
            http_response_status_code="201",
        )
        == 60
    )


def test_every_known_series_exists_at_0_before_the_first_order(served: Served) -> None:
    assert served.metric("orders_placed_total") == 0
    for outcome in ("confirmed", "payment_failed", "cancelled"):
        assert served.metric("orders_finished_total", outcome=outcome) == 0
    for result in ("hit", "miss", "error", "bypass"):
        assert served.metric("cache_requests_total", cache="orders", result=result) == 0
    for route in ("/v1/orders", "/v1/orders/<uuid:order_id>", "/v1/orders/<uuid:order_id>/cancel"):
        for status in ("500", "503"):
            labels = {"http_route": route, "http_response_status_code": status}
            assert served.metric("http_server_request_duration_seconds_count", **labels) == 0
    assert served.metric("db_pool_max_connections", pool="orders") == 6
    for dependency in ("postgres", "cache"):
        assert served.metric("dependency_up", dependency=dependency) == 1


def test_a_killed_worker_loses_no_order_that_was_accepted(served: Served, postgres) -> None:
    """Clients try again with the same key, as the API's description tells them."""
    keys = [f"k-{number}" for number in range(80)]
    killed = served.workers()[0]

    def send(key: str) -> str:
        if key == "k-20":
            os.kill(killed, signal.SIGKILL)
        while True:
            try:
                return place_patiently(served, key)["id"]
            except requests.ConnectionError:
                continue

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(send, keys))

    assert len(set(ids)) == len(keys)
    with postgres.connect(served.database) as conn:
        written = conn.execute("SELECT count(*), count(DISTINCT order_id) FROM outbox").fetchone()
    assert written == (len(keys), len(keys))
    for order_id in ids:
        assert requests.get(f"{served.url}/v1/orders/{order_id}", timeout=5).ok
    new = wait_until(lambda: len(served.workers()) == 2 and served.workers(), 10)
    assert killed not in new


def test_reads_from_the_cache_do_not_wait_for_a_database_that_hangs(tmp_path, postgres) -> None:
    """More orders than threads wait for the database, and each of them for 2.5 s."""
    ports = {"postgres": postgres.port}
    changes = {"ORDERS_DATABASE_HOST": GATE_HOST, "ORDERS_WORKERS": "1", "ORDERS_THREADS": "4"}
    with (
        running_redis(tmp_path / "cache") as cache,
        open_gates(ports, tmp_path) as gates,
        serving(tmp_path, postgres, cache, changes) as served,
        ThreadPoolExecutor(8) as buyers,
    ):
        url = f"{served.url}/v1/orders/{place(served).json()['id']}"
        assert requests.get(url, timeout=5).ok

        def all_connections_are_open() -> bool:
            list(buyers.map(lambda _: place(served), range(16)))
            with postgres.connect(served.database) as conn:
                held = conn.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'orders_service'"
                )
                return held.fetchone() == (3,)

        wait_until(all_connections_are_open)
        gates["postgres"].fail(Way.PAUSED)
        orders = [buyers.submit(place, served) for _ in range(8)]
        wait_until(lambda: any(order.done() for order in orders))

        assert requests.get(url, timeout=5).ok
        assert sum(not order.done() for order in orders) == 3
        assert {order.result().status_code for order in orders} == {503}


def test_a_fault_takes_effect_in_every_worker_within_5_seconds(served: Served, tmp_path) -> None:
    def statuses() -> set[int]:
        return {place(served).status_code for _ in range(10)}

    set_fault(tmp_path / "faults.json", "error_rate", "1")
    assert wait_until(lambda: statuses() == {500}, 5)
    set_fault(tmp_path / "faults.json", "error_rate", "off")
    assert wait_until(lambda: statuses() == {201}, 5)


def test_it_survives_the_loss_of_redis_and_uses_it_again(tmp_path, postgres) -> None:
    with (
        running_redis(tmp_path / "cache") as cache,
        serving(tmp_path, postgres, cache) as served,
    ):
        url = f"{served.url}/v1/orders/{place(served).json()['id']}"
        cache.process.kill()
        cache.process.wait()

        assert {requests.get(url, timeout=5).status_code for _ in range(20)} == {200}
        assert place(served).status_code == 201
        ready = requests.get(f"{served.url}/readyz", timeout=5)
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert served.metric("cache_requests_total", result="bypass") > 0
        wait_until(lambda: served.metric("dependency_up", dependency="cache") == 0, 10)

        with running_redis(tmp_path / "again", port=cache.port):
            wait_until(
                lambda: requests.get(f"{served.url}/readyz", timeout=5).json()["status"] == "ok"
            )

            def is_hit() -> bool:
                before = served.metric("cache_requests_total", result="hit")
                requests.get(url, timeout=5)
                return served.metric("cache_requests_total", result="hit") > before

            wait_until(is_hit, 10)


def test_it_survives_the_loss_of_postgres_and_takes_orders_soon_after(
    tmp_path, cache_server: Redis
) -> None:
    with (
        running_postgres(tmp_path / "postgres") as postgres,
        serving(tmp_path, postgres, cache_server) as served,
    ):
        read = f"{served.url}/v1/orders/{place(served).json()['id']}"
        os.killpg(postgres.process.pid, signal.SIGKILL)
        postgres.process.wait()

        assert place(served).status_code == 503
        assert requests.get(read, timeout=5).status_code == 200
        assert requests.get(f"{served.url}/livez", timeout=5).status_code == 200
        assert requests.get(f"{served.url}/readyz", timeout=5).status_code == 503

        with subprocess.Popen(postgres.process.args, stderr=subprocess.DEVNULL) as again:
            try:
                place_patiently(served, "after-the-crash")
            finally:
                again.send_signal(signal.SIGINT)


def test_it_ends_within_its_grace_and_finishes_what_it_began(served: Served, tmp_path) -> None:
    set_fault(tmp_path / "faults.json", "database_slow", "1")
    wait_until(lambda: place(served).elapsed.total_seconds() > 1, 10)
    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(place, served)
        active = "http_server_active_requests"
        wait_until(lambda: served.metric(active, http_request_method="POST") == 1)
        served.process.terminate()

        assert pending.result(10).status_code == 201
    assert served.process.wait(10) == 0


def test_an_answer_that_comes_after_its_client_gave_up_is_counted_and_logged_as_504(
    served: Served, tmp_path
) -> None:
    set_fault(tmp_path / "faults.json", "database_slow", "1.5")
    wait_until(lambda: place(served).elapsed.total_seconds() > 1.5, 10)

    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{served.url}/v1/orders", json=an_order(), timeout=0.5)

    labels = {"http_route": "/v1/orders", "http_response_status_code": "504"}
    duration = "http_server_request_duration_seconds"
    wait_until(lambda: served.metric(f"{duration}_count", **labels) == 1, 10)
    assert served.metric(f"{duration}_sum", **labels) > 1.5
    wait_until(lambda: "POST /v1/orders 504" in served.log.read_text(), 10)


def test_every_line_of_output_is_json_and_no_line_holds_a_password(
    served: Served, cache_server: Redis
) -> None:
    place(served)
    requests.post(f"{served.url}/v1/orders", data="{", timeout=5)
    requests.get(f"{served.url}/nope", timeout=5)
    served.process.terminate()
    served.process.wait(10)

    lines = served.log.read_text().splitlines()
    assert len([json.loads(line) for line in lines]) > 5
    assert not any(AWKWARD in line or json.dumps(AWKWARD)[1:-1] in line for line in lines)


def test_headers_beyond_the_limit_are_refused_at_the_door(served: Served) -> None:
    answer = requests.get(f"{served.url}/livez", headers={"X-Large": "x" * 9000}, timeout=5)

    assert answer.status_code in {400, 431}


def test_a_body_without_a_length_is_limited_too(served: Served) -> None:
    def chunks():
        yield json.dumps(an_order()).encode()
        for _ in range(20):
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{served.url}/v1/orders", data=chunks(), headers=headers, timeout=5)

    assert answer.status_code == 413
    assert place(served).status_code == 201


class TestRefusesToStart:
    def run(self, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(),
            env=environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def test_with_bad_settings_naming_all_of_them(self, tmp_path, postgres, cache_server) -> None:
        environ = environment(tmp_path, postgres, "orders", cache_server)
        bad = {"ORDERS_PORT": "80000", "ORDERS_THREADS": "many", "ORDERS_RATE_LIMIT": "-1"}

        run = self.run(environ | bad)

        assert run.returncode == 2
        for name, value in bad.items():
            assert f"{name}='{value}'" in run.stderr
        assert "Traceback" not in run.stderr

    def test_without_a_folder_for_metrics(self, tmp_path, postgres, cache_server) -> None:
        environ = environment(tmp_path, postgres, "orders", cache_server)
        del environ["PROMETHEUS_MULTIPROC_DIR"]

        run = self.run(environ)

        assert run.returncode == 2
        assert "PROMETHEUS_MULTIPROC_DIR" in run.stderr
        assert "Traceback" not in run.stderr

    def test_when_a_password_file_cannot_be_read(self, tmp_path, postgres, cache_server) -> None:
        environ = environment(tmp_path, postgres, "orders", cache_server)
        environ["ORDERS_DATABASE_PASSWORD_FILE"] = "/nowhere/password"

        run = self.run(environ)

        assert run.returncode == 2
        assert "ORDERS_DATABASE_PASSWORD_FILE='/nowhere/password'" in run.stderr


class TestPreloaded:
    """The app is made before the fork, so each worker must connect for itself."""

    def test_each_worker_has_connections_of_its_own(self, tmp_path, postgres, cache_server) -> None:
        changes = {"ORDERS_WORKERS": "4", "ORDERS_RATE_LIMIT": "0"}
        with serving(tmp_path, postgres, cache_server, changes) as served:
            url = f"{served.url}/v1/orders"
            with ThreadPoolExecutor(16) as threads:
                answers = list(threads.map(lambda _: place(served), range(200)))
            ids = [answer.json()["id"] for answer in answers]

            assert {answer.status_code for answer in answers} == {201}
            assert [requests.get(f"{url}/{one}", timeout=5).json()["id"] for one in ids] == ids
            assert served.metric("orders_placed_total") == 200

    def test_a_pool_opened_before_the_fork_is_refused(self, app) -> None:
        database = app.extensions["orders"]["database"]
        database.open()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                database.open()
            except RuntimeError as error:
                os.write(write, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)

        assert os.read(read, 100) == b"the pool was opened before the fork"
