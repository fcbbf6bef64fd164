"""The relay: at least once, in order per order, several side by side, never blocked by one row."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from kombu.exceptions import OperationalError

from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.testing import recorded_telemetry
from service.faults.switchboard import Faults
from service.semconv import QUEUES, TASK_FULFIL_ORDER, TASK_REFUND_ORDER, TASK_SEND_ORDER_EMAIL
from service.settings import RedisSettings
from service.storage import outbox
from service.storage.postgres import connection_arguments
from tests.integration.worker.rows import TRACE_ID, TRACEPARENT, add_row, place_order, rows
from tools.servers import wait_until
from worker.broker import connect_broker, lift_waiting, priority_lists, queue_lengths
from worker.faults import DeadRelay
from worker.relay.app import create_producer
from worker.relay.relay import Relay
from worker.relay.sending import BrokerUnavailableError, resend_lost, send_due
from worker.settings import WorkerSettings

PASSWORD = "b:r@o/k?e#r %é"


@pytest.fixture
def settings(database, start_redis):
    broker = start_redis(durable=True, password=PASSWORD)
    return WorkerSettings(
        database=database,
        cache=RedisSettings(port=1),
        broker=RedisSettings(port=broker.port, password=PASSWORD),
        telemetry=TelemetrySettings(),
    )


@pytest.fixture
def telemetry():
    with recorded_telemetry() as telemetry:
        yield telemetry


@pytest.fixture
def app(settings, telemetry):
    with create_producer(settings, telemetry) as app:
        yield app


@pytest.fixture
def broker(settings):
    with connect_broker(settings) as client:
        yield client


@pytest.fixture
def connect(database):
    arguments = connection_arguments(database, "test-relay")
    return lambda: psycopg.connect(**arguments, autocommit=True)


@pytest.fixture
def start_relay(connect, app, broker, telemetry):
    """Start relays in threads; all are stopped at the end."""
    running = []

    def start(relay=Relay, **options):
        relay = relay(connect, app, broker, **options)
        thread = threading.Thread(target=relay.run)
        thread.start()
        running.append((relay, thread))
        return relay

    yield start
    for relay, _ in running:
        relay.stop()
    # It may be waiting for one.
    with connect() as conn:
        conn.execute(f"NOTIFY {outbox.CHANNEL}")
    for _, thread in running:
        thread.join(10)
        assert not thread.is_alive()


def messages(broker, queue="orders", priority=0):
    """Return the messages of one list, the first sent first."""
    key = priority_lists(queue)[(0, 3, 6, 9).index(priority)]
    raw = [json.loads(text) for text in reversed(broker.lrange(key, 0, -1))]
    bodies = [json.loads(base64.b64decode(message["body"])) for message in raw]
    return [(message["headers"], body[1]) for message, body in zip(raw, bodies, strict=True)]


def test_a_row_becomes_a_message_with_its_trace_its_attempt_and_its_time(
    sql, connect, app, broker, telemetry
):
    order_id, row = place_order(sql)
    with connect() as conn, conn.transaction():
        assert send_due(conn, app) == 1
    ((headers, arguments),) = messages(broker)
    assert headers["id"] == f"outbox-{row}-1"
    assert headers["task"] == TASK_FULFIL_ORDER
    assert headers["attempt"] == 1
    assert headers["enqueued_at"] > 0
    assert headers["traceparent"].split("-")[1] == TRACE_ID
    assert arguments == {"order_id": str(order_id), "payload": {}, "row": row, "attempt": 1}
    assert rows(sql, "published_at IS NOT NULL") == [(True,)]
    span = telemetry.span("send orders")
    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert f"{span.parent.span_id:016x}" == TRACEPARENT.split("-")[2]


def test_rows_of_one_order_are_sent_in_their_order_one_batch_each(sql, connect, app, broker):
    order_id, first = place_order(sql)
    second = add_row(sql, order_id, TASK_SEND_ORDER_EMAIL, payload={"kind": "confirmed"})
    with connect() as conn, conn.transaction():
        assert send_due(conn, app) == 1
    assert rows(sql, "id, published_at IS NOT NULL") == [(first, True), (second, False)]
    with connect() as conn, conn.transaction():
        assert send_due(conn, app) == 1
    assert queue_lengths(broker, QUEUES) == {"orders": 1, "emails": 1}


def test_two_relays_share_the_work_and_keep_each_orders_order(sql, start_relay, broker):
    orders = [uuid4() for _ in range(40)]
    with sql.transaction():
        for _ in range(5):
            for order_id in orders:
                add_row(sql, order_id)
    start_relay()
    start_relay()
    wait_until(lambda: queue_lengths(broker, QUEUES)["orders"] >= 200, 30)
    wait_until(
        lambda: not sql.execute("SELECT 1 FROM outbox WHERE published_at IS NULL").fetchone()
    )
    sent = [(arguments["order_id"], arguments["row"]) for _, arguments in messages(broker)]
    assert len(sent) == len(set(sent)) == 200
    for order_id in orders:
        numbers = [row for order, row in sent if order == str(order_id)]
        assert numbers == sorted(numbers)


def test_a_row_locked_by_another_relay_holds_back_its_order_and_no_other(sql, connect, app, broker):
    held, _ = place_order(sql)
    add_row(sql, held)
    _, row = place_order(sql)
    with connect() as other, other.transaction():
        other.execute("SELECT 1 FROM outbox WHERE order_id = %s LIMIT 1 FOR UPDATE", (held,))
        with connect() as conn, conn.transaction():
            assert send_due(conn, app) == 1
    assert [arguments["row"] for _, arguments in messages(broker)] == [row]


def test_a_relay_that_dies_after_sending_sends_again(sql, connect, app, broker):
    place_order(sql)
    with connect() as conn:
        with conn.transaction(force_rollback=True):
            send_due(conn, app)
        with conn.transaction():
            assert send_due(conn, app) == 1
    assert queue_lengths(broker, QUEUES)["orders"] == 2


def test_a_commit_wakes_the_relay_long_before_its_poll(sql, start_relay, broker, monkeypatch):
    monkeypatch.setattr("worker.relay.relay.POLL_SECONDS", 30.0)
    start_relay()
    wait_until(lambda: listening(sql))
    place_order(sql)
    wait_until(lambda: queue_lengths(broker, QUEUES)["orders"] == 1, 5)


def listening(sql):
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT id, order_id%'"
    return sql.execute(query + " OR query LIKE 'DELETE FROM idem%'").fetchone()[0]


def test_a_row_in_back_off_is_sent_when_it_is_due_and_after_what_is_new(sql, start_relay, broker):
    _, row = place_order(sql)
    outbox.reschedule(sql, row, 1, timedelta(seconds=1.5), "503")
    start_relay()
    _, newer = place_order(sql)
    wait_until(lambda: queue_lengths(broker, QUEUES)["orders"] == 1, 5)
    assert [arguments["row"] for _, arguments in messages(broker)] == [newer]
    wait_until(lambda: messages(broker, priority=6), 10)
    ((headers, arguments),) = messages(broker, priority=6)
    assert (arguments["row"], arguments["attempt"], headers["attempt"]) == (row, 2, 2)


def test_a_row_in_back_off_does_not_hold_back_the_orders_refund(sql, connect, app, broker):
    order_id, row = place_order(sql)
    outbox.reschedule(sql, row, 1, timedelta(minutes=1), "503")
    refund = add_row(sql, order_id, TASK_REFUND_ORDER)
    with connect() as conn, conn.transaction():
        send_due(conn, app)
    assert [arguments["row"] for _, arguments in messages(broker)] == [refund]


def test_a_row_that_was_put_off_goes_after_new_work_and_a_refund_does_not(
    sql, connect, app, broker
):
    """While a circuit is open its attempt does not count, so the attempt alone does not tell."""
    _, put_off = place_order(sql)
    outbox.reschedule(sql, put_off, 1, timedelta(0), "the circuit is open", counts=False)
    order_id, new = place_order(sql)
    refund = add_row(sql, order_id, TASK_REFUND_ORDER)
    for _ in range(2):
        with connect() as conn, conn.transaction():
            send_due(conn, app)
    assert [arguments["row"] for _, arguments in messages(broker)] == [new, refund]
    assert [arguments["row"] for _, arguments in messages(broker, priority=6)] == [put_off]


def test_a_message_that_waits_for_too_long_is_served_with_the_new_work(
    sql, connect, app, broker, start_relay, monkeypatch
):
    """Workers take from a lower list only when the lists above it are empty."""
    _, old = place_order(sql)
    outbox.reschedule(sql, old, 1, timedelta(0), "503")
    place_order(sql)
    with connect() as conn, conn.transaction():
        send_due(conn, app)
    assert lift_waiting(broker, QUEUES, timedelta(seconds=30)) == 0

    monkeypatch.setattr("worker.relay.relay.LIFT_AFTER", timedelta(0))
    monkeypatch.setattr("worker.relay.relay.RESEND_EVERY_SECONDS", 0.1)
    start_relay()

    wait_until(lambda: not messages(broker, priority=6), 10)
    assert [arguments["row"] for _, arguments in messages(broker)][-1] == old
    assert queue_lengths(broker, QUEUES)["orders"] == 2


def test_old_messages_are_lifted_oldest_first_and_young_ones_stay(broker):
    first, low = priority_lists("orders")[0], priority_lists("orders")[2]
    now = time.time()
    ages = [90, 60, 40, 20, 10]
    raws = [json.dumps({"headers": {"id": str(age), "enqueued_at": now - age}}) for age in ages]
    broker.lpush(low, "not json", *raws)

    assert lift_waiting(broker, QUEUES, timedelta(seconds=30)) == 4

    assert [raw.decode() for raw in broker.lrange(first, 0, -1)][::-1] == ["not json", *raws[:3]]
    assert [raw.decode() for raw in broker.lrange(low, 0, -1)][::-1] == raws[3:]


def test_maintenance_is_done_although_there_is_always_something_to_send(
    sql, connect, app, broker, monkeypatch
):
    relay = Relay(connect, app, broker)
    done = []
    monkeypatch.setattr("worker.relay.relay.lift_waiting", lambda *_: done.append("lift"))
    monkeypatch.setattr("worker.relay.relay.resend_lost", lambda *_: done.append("resend"))
    place_order(sql)
    with connect() as conn:
        relay.work(conn)
    assert done == ["lift", "resend"]


def test_a_poison_row_is_set_aside_and_does_not_block_its_order(sql, connect, app, broker):
    order_id = uuid4()
    poison = add_row(sql, order_id, "no_such_task")
    add_row(sql, order_id)
    for _ in range(2):
        with connect() as conn, conn.transaction():
            send_due(conn, app)
    assert queue_lengths(broker, QUEUES)["orders"] == 1
    assert sql.execute("SELECT id FROM outbox WHERE poisoned_at IS NOT NULL").fetchall() == [
        (poison,)
    ]


class GoneAfterOne:
    """An application whose broker goes away after one message."""

    def __init__(self, app):
        self._app, self._sent = app, 0

    def send_task(self, *args, **options):
        if self._sent:
            raise OperationalError("gone")
        self._sent += 1
        self._app.send_task(*args, **options)


def test_what_was_sent_before_the_broker_went_away_is_marked(sql, connect, app, broker):
    place_order(sql)
    place_order(sql)
    with connect() as conn, conn.transaction(), pytest.raises(BrokerUnavailableError):
        send_due(conn, GoneAfterOne(app))
    assert rows(sql, "published_at IS NOT NULL") == [(True,), (False,)]
    assert queue_lengths(broker, QUEUES)["orders"] == 1


def test_a_broker_that_takes_nothing_is_away(sql, connect, app, broker):
    place_order(sql)
    broker.execute_command("CONFIG", "SET", "maxmemory", "1")
    with connect() as conn, conn.transaction(), pytest.raises(BrokerUnavailableError):
        send_due(conn, app)
    assert rows(sql, "published_at IS NOT NULL") == [(False,)]


def test_a_broker_that_does_not_listen_is_away_within_seconds(sql, connect, settings, telemetry):
    place_order(sql)
    nowhere = replace(settings, broker=RedisSettings(port=1))
    began = time.monotonic()
    away = pytest.raises(BrokerUnavailableError)
    with create_producer(nowhere, telemetry) as app, connect() as conn, conn.transaction(), away:
        send_due(conn, app)
    assert time.monotonic() - began < 5


def test_only_what_the_broker_does_not_hold_is_lost(sql, connect, app, broker):
    _, ready = place_order(sql)
    _, delivered = place_order(sql)
    _, lost = place_order(sql)
    with connect() as conn, conn.transaction():
        send_due(conn, app)
    lists = broker.lrange("orders", 0, -1)
    broker.delete("orders")
    for text in lists:
        number = json.loads(text)["headers"]["id"]
        if number == f"outbox-{ready}-1":
            broker.lpush("orders", text)
        elif number == f"outbox-{delivered}-1":
            broker.hset("unacked", "tag", json.dumps([json.loads(text), "", "orders"]))
    # Entries that are not Celery messages are skipped.
    broker.lpush("orders", "not json", "[]", "1", '{"headers": null}', '{"headers": {}}')
    broker.hset("unacked", "foreign", "{}")
    sql.execute("UPDATE outbox SET published_at = now() - interval '61 seconds'")
    with connect() as conn:
        assert resend_lost(conn, broker, timedelta(seconds=60)) == 1
    unsent = sql.execute("SELECT id FROM outbox WHERE published_at IS NULL").fetchall()
    assert unsent == [(lost,)]


def test_while_the_fault_is_on_it_sends_nothing_and_a_span_records_why(
    sql, start_relay, broker, telemetry
):
    dead = [True]
    faults = {"faults": lambda: Faults(relay_dead=dead[0]), "tracer": telemetry.tracer}
    start_relay(DeadRelay, **faults)
    place_order(sql)
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: queue_lengths(broker, QUEUES)["orders"], 2)
    dead[0] = False
    wait_until(lambda: queue_lengths(broker, QUEUES)["orders"] == 1, 5)
    (event,) = telemetry.span("pause relay").events
    assert event.attributes["feature_flag.key"] == "relay_dead"


def test_it_comes_back_when_the_database_does(sql, start_relay, broker, database):
    start_relay()
    wait_until(lambda: listening(sql))
    sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = %s AND datname = %s",
        (database.user, database.name),
    )
    place_order(sql)
    wait_until(lambda: queue_lengths(broker, QUEUES)["orders"] == 1, 10)
