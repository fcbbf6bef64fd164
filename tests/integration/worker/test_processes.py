"""Orders survive what happens to processes: the real worker, relay, provider and mail server."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import psutil
import pytest
import redis

from service.faults.switchboard import set_fault
from service.semconv import QUEUES, TASK_SEND_ORDER_EMAIL
from service.storage import outbox
from tests.integration.worker.processes import running_world
from tests.integration.worker.rows import (
    TRACE_ID,
    add_letter,
    add_order,
    add_row,
    letters,
    place_order,
    rows,
    status,
)
from tools.servers import ROOT, wait_until
from worker.broker import queue_lengths

pytestmark = pytest.mark.slow


@pytest.fixture
def broker(start_redis):
    return start_redis(durable=True, password="b:r@o/k?e#r %")


@pytest.fixture
def world(tmp_path, database, broker, start_redis):
    with running_world(tmp_path, database, broker, start_redis()) as world:
        yield world


@pytest.fixture
def broker_client(broker):
    with redis.Redis(port=broker.port, password=broker.password) as client:
        yield client


def set_world_fault(world, name, value="on"):
    from pathlib import Path

    set_fault(Path(world.environ["ORDERS_FAULTS_FILE"]), name, value)


def children_of(process):
    return psutil.Process(process.pid).children()


def place_orders(sql, number):
    return [place_order(sql)[0] for _ in range(number)]


def all_confirmed(sql, orders):
    return all(status(sql, order) in {"confirmed", "payment_failed"} for order in orders)


def nothing_left(sql):
    return rows(sql) == []


def test_one_trace_runs_from_the_row_through_relay_and_worker_to_provider_and_email(world, sql):
    world.start_provider()
    world.start_worker()
    world.start_relay()
    order_id, _ = place_order(sql)
    wait_until(lambda: nothing_left(sql) and world.mailbox.messages, 90)
    assert status(sql, order_id) == "confirmed"
    (mail,) = world.mailbox.messages
    assert mail["Message-ID"] == f"<{order_id}.confirmed@orders.example>"
    assert mail["X-Order-Id"] == str(order_id)
    assert mail["traceparent"].split("-")[1] == TRACE_ID

    def spans():
        return {(s.service, s.name) for s in world.sink.spans if s.trace_id == TRACE_ID}

    expected = {
        ("orders-relay", "send orders"),
        ("orders-worker", "process orders"),
        ("payment-provider", "POST /v1/charges"),
        ("orders-relay", "send emails"),
        ("orders-worker", "process emails"),
        ("orders-worker", "send email"),
    }
    wait_until(lambda: expected <= spans(), 90)
    for process in ("orders-relay", "orders-worker", "payment-provider"):
        assert TRACE_ID in world.log(process), process
    outcome = {"outcome": "confirmed"}
    wait_until(lambda: world.worker_metric("orders_finished_total", **outcome) == 1, 90)
    waits = {"queue": "orders", "task": "fulfil_order"}
    assert world.worker_metric("celery_task_queue_wait_seconds_count", **waits) == 1


def test_orders_of_a_killed_child_are_done_by_its_successor(world, sql):
    world.start_provider()
    set_world_fault(world, "payment_slow", "1.5")
    worker = world.start_worker(children=2)
    world.start_relay()
    orders = place_orders(sql, 4)
    wait_until(lambda: rows(sql, "starts") and any(n for (n,) in rows(sql, "starts")), 90)
    for child in children_of(worker):
        child.send_signal(signal.SIGKILL)
    wait_until(lambda: all_confirmed(sql, orders) and nothing_left(sql), 90)
    assert "exited with 'signal 9 (SIGKILL)'" in world.log("orders-worker")
    assert all(line.startswith("{") for line in world.log("orders-worker").splitlines())
    charged = [line for line in ledger(world) if line["kind"] == "charge"]
    assert len(charged) == len({line["order_id"] for line in charged}) == 4


def ledger(world):
    import json
    import urllib.request

    url = f"{world.environ['ORDERS_PAYMENT_PROVIDER_URL']}/v1/ledger"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)["entries"]


def test_term_is_a_warm_stop_and_what_runs_is_finished(world, sql):
    world.start_provider()
    set_world_fault(world, "payment_slow", "1.5")
    worker = world.start_worker(children=1)
    world.start_relay()
    order_id, _ = place_order(sql)
    wait_until(lambda: rows(sql, "starts") == [(1,)], 90)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert status(sql, order_id) in {"confirmed", "payment_failed"}


def test_a_poison_row_is_set_aside_and_the_rest_goes_on(world, sql):
    order_id = add_order(sql)
    poison = add_row(sql, order_id, "no_such_task")
    world.start_provider()
    world.start_worker()
    world.start_relay()
    orders = place_orders(sql, 3)
    wait_until(lambda: all_confirmed(sql, orders), 90)
    wait_until(lambda: len(rows(sql)) == 1, 90)
    left = rows(sql, "id, poisoned_at IS NOT NULL, last_error")
    assert left == [(poison, True, "unknown task 'no_such_task'")]
    assert world.worker_metric("outbox_poison_rows") == 1


def test_messages_that_the_broker_lost_are_sent_again(world, sql, broker_client):
    world.start_relay()
    orders = place_orders(sql, 3)
    wait_until(lambda: queue_lengths(broker_client, QUEUES)["orders"] == 3, 90)
    broker_client.flushall()
    sql.execute("UPDATE outbox SET published_at = published_at - interval '2 minutes'")
    wait_until(lambda: queue_lengths(broker_client, QUEUES)["orders"] == 3, 90)
    world.start_provider()
    world.start_worker()
    wait_until(lambda: all_confirmed(sql, orders) and nothing_left(sql), 90)


def test_a_message_that_waits_long_in_the_broker_is_not_sent_again(world, sql, broker_client):
    world.start_relay()
    place_order(sql)
    wait_until(lambda: queue_lengths(broker_client, QUEUES)["orders"] == 1, 90)
    sql.execute("UPDATE outbox SET published_at = published_at - interval '2 minutes'")
    place_order(sql)
    wait_until(lambda: queue_lengths(broker_client, QUEUES)["orders"] == 2, 90)
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: queue_lengths(broker_client, QUEUES)["orders"] > 2, 7)


def test_the_worker_and_the_relay_find_a_broker_that_was_killed(world, sql, broker):
    from local.servers import command_lines
    from tools.servers import PROGRAMS, is_listening, running

    world.start_provider()
    world.start_worker()
    world.start_relay()
    orders = place_orders(sql, 3)
    for _ in range(3):
        broker.process.send_signal(signal.SIGKILL)
        broker.process.wait(5)
        orders += place_orders(sql, 2)
        command = command_lines.redis_command(
            PROGRAMS.find("redis-server"), broker.folder, broker.port, durable=True
        )
        log = broker.folder / "again.log"
        again = running(command, log=log, ready=lambda: is_listening(broker.port))
        broker.process = world.stack.enter_context(again)
        orders += place_orders(sql, 2)
    wait_until(lambda: all_confirmed(sql, orders) and nothing_left(sql), 90)


def test_while_the_provider_fails_the_circuit_opens_and_orders_wait(world, sql):
    set_world_fault(world, "payment_failing", "1")
    world.start_provider()
    world.start_worker(children=2)
    world.start_relay()
    orders = place_orders(sql, 8)
    dependency = {"dependency": "payment-provider"}
    wait_until(lambda: world.worker_metric("circuit_breaker_state", **dependency) == 2, 90)
    assert world.worker_metric("circuit_breaker_transitions_total", to="open", **dependency) >= 1
    assert world.worker_metric("circuit_breaker_state", dependency="smtp") == 0
    assert {status(sql, order) for order in orders} == {"pending"}
    set_world_fault(world, "payment_failing", "off")
    wait_until(lambda: all_confirmed(sql, orders) and nothing_left(sql), 90)
    assert world.worker_metric("circuit_breaker_state", **dependency) == 0
    assert letters(sql) == []


def test_the_worker_shows_the_outbox_while_there_is_no_relay(world, sql):
    world.start_worker()
    assert world.worker_metric("outbox_unpublished_rows") == 0
    assert world.worker_metric("outbox_oldest_unpublished_age_seconds") == 0
    place_order(sql)
    wait_until(lambda: world.worker_metric("outbox_oldest_unpublished_age_seconds") > 1, 90)
    assert world.worker_metric("outbox_unpublished_rows") == 1


def test_the_relay_shows_queues_and_dead_letters_while_there_is_no_worker(world, sql):
    world.start_relay()
    for task in ("fulfil_order", "refund_order", "send_order_email"):
        assert world.relay_metric("orders_dead_letter_tasks", task=task) == 0
    place_order(sql)
    order_id, row = place_order(sql)
    outbox.reschedule(sql, row, 1, timedelta(minutes=5), "503")
    add_letter(sql, order_id)
    wait_until(lambda: world.relay_metric("celery_queue_messages", queue="orders") >= 1, 90)
    assert world.relay_metric("celery_queue_messages", queue="emails") == 0
    assert world.relay_metric("celery_queue_scheduled_messages", queue="orders") == 1
    assert world.relay_metric("orders_dead_letter_tasks", task="send_order_email") == 1
    assert world.relay_metric("dependency_up", dependency="broker") == 1


def test_a_worker_that_could_not_acknowledge_takes_messages_again(world, sql, broker):
    from local.servers import command_lines
    from tools.servers import PROGRAMS, is_listening, running

    world.start_provider()
    set_world_fault(world, "payment_slow", "1")
    world.start_worker(children=1)
    world.start_relay()
    orders = place_orders(sql, 3)
    wait_until(lambda: any(n for (n,) in rows(sql, "starts")), 90)
    broker.process.send_signal(signal.SIGKILL)
    wait_until(lambda: "Couldn't ack" in world.log("orders-worker"), 30)
    command = command_lines.redis_command(
        PROGRAMS.find("redis-server"), broker.folder, broker.port, durable=True
    )
    again = running(
        command, log=broker.folder / "again.log", ready=lambda: is_listening(broker.port)
    )
    world.stack.enter_context(again)
    wait_until(lambda: all_confirmed(sql, orders) and nothing_left(sql), 90)


def test_emails_wait_while_the_mail_server_is_down(world, sql):
    # Before the worker starts: a running one looks at the switches once a second only.
    set_world_fault(world, "email_down")
    world.start_provider()
    world.start_worker()
    world.start_relay()
    place_order(sql)
    retried = {"queue": "emails", "task": TASK_SEND_ORDER_EMAIL, "state": "retried"}
    wait_until(lambda: (world.worker_metric("celery_tasks_total", **retried) or 0) >= 2, 90)
    assert world.mailbox.messages == []
    assert "fault email_down strikes" in world.log("orders-worker")
    set_world_fault(world, "email_down", "off")
    wait_until(lambda: world.mailbox.messages and nothing_left(sql), 90)
    assert letters(sql) == []


def test_a_stuck_worker_does_its_work_once_the_fault_is_off(world, sql):
    world.start_provider()
    world.start_worker()
    world.start_relay()
    set_world_fault(world, "worker_stuck")
    wait_until(lambda: "worker_stuck" in world.log("orders-worker") or place_order(sql) is None, 90)
    set_world_fault(world, "worker_stuck", "off")
    wait_until(lambda: nothing_left(sql), 90)


def test_a_dead_relay_sends_nothing_until_the_fault_is_off(world, sql, broker_client):
    set_world_fault(world, "relay_dead")
    world.start_relay()
    place_order(sql)
    wait_until(lambda: "relay_dead" in world.log("orders-relay"), 90)
    assert queue_lengths(broker_client, QUEUES)["orders"] == 0
    set_world_fault(world, "relay_dead", "off")
    wait_until(lambda: queue_lengths(broker_client, QUEUES)["orders"] == 1, 90)


def test_the_worker_refuses_to_start_without_a_metrics_folder(world):
    environ = {k: v for k, v in world.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-c", "import worker.main"]
    done = subprocess.run(
        command, check=False, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "PROMETHEUS_MULTIPROC_DIR" in done.stderr


def test_importing_the_worker_leaves_the_metrics_folder_alone(world, tmp_path):
    folder = tmp_path / "metrics" / "kept"
    folder.mkdir(parents=True)
    (folder / "counter_1.db").write_bytes(b"")
    environ = {**world.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", "import worker.main"]
    subprocess.run(command, check=True, env=environ, cwd=ROOT, timeout=30)
    assert (folder / "counter_1.db").exists()


SCRAPE = """
import sys
import worker.main
from worker.metrics.worker import worker_collectors
from worker.settings import WorkerSettings
loaded = set(sys.modules)
for collector in worker_collectors(WorkerSettings.from_env(), {}):
    list(collector.collect())
print(sorted(set(sys.modules) - loaded))
"""


def test_a_scrape_imports_nothing_so_a_fork_inherits_no_import_lock(world):
    world.start_provider()
    environ = {**world.environ, "PROMETHEUS_MULTIPROC_DIR": str(world.folder / "unused")}
    command = [sys.executable, "-c", SCRAPE]
    done = subprocess.run(
        command, check=True, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_the_health_check_reports_what_is_wrong(world):
    environ = {**world.environ, "PROMETHEUS_MULTIPROC_DIR": str(world.folder / "unused")}

    def check(**more):
        return subprocess.run(
            [sys.executable, "-m", "worker.health"],
            check=False,
            env={**environ, **more},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )

    assert (check().returncode, check().stderr) == (1, "the worker has not started\n")
    world.start_worker()
    folder = str(world.folder / "metrics" / "orders-worker")
    wait_until(lambda: check(PROMETHEUS_MULTIPROC_DIR=folder).returncode == 0, 90)
