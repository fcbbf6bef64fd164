"""A message that could not be acknowledged stops counting against the prefetch limit."""

from __future__ import annotations

import signal

import pytest
from celery import Celery
from kombu import Connection
from kombu.transport.redis import Transport as KombuTransport

from observability.instrumentation.settings import TelemetrySettings
from service.settings import DatabaseSettings, RedisSettings
from worker.broker import configure
from worker.settings import WorkerSettings
from worker.transport import Transport


@pytest.fixture
def broker(start_redis):
    return start_redis(durable=True)


def settings_of(broker):
    return WorkerSettings(
        database=DatabaseSettings(user="x", password="x"),
        cache=RedisSettings(port=1),
        broker=RedisSettings(port=broker.port),
        telemetry=TelemetrySettings(),
    )


@pytest.fixture
def connection(broker):
    app = Celery("test", set_as_current=False)
    configure(app, settings_of(broker))
    with app.connection_for_read() as connection:
        yield connection


@pytest.fixture
def held(connection):
    """A message that fills the prefetch limit of its channel."""
    queue = connection.SimpleQueue("orders")
    queue.channel.basic_qos(0, 1, False)
    queue.put({"x": 1})
    message = queue.get(timeout=5)
    assert not queue.channel.qos.can_consume()
    return message


def test_our_transport_is_used_although_the_process_connected_before(broker):
    with Connection(f"redis://127.0.0.1:{broker.port}/0") as before:
        before.connect()
    app = Celery("test", set_as_current=False)
    configure(app, settings_of(broker))
    with app.connection_for_read() as connection:
        assert isinstance(connection.transport, Transport)


def test_the_address_of_the_broker_selects_our_transport(connection):
    assert isinstance(connection.transport, Transport)
    assert isinstance(connection.transport, KombuTransport)


@pytest.mark.parametrize("answer", ["ack", "reject", "requeue"])
def test_a_message_is_let_go_although_the_broker_is_away(connection, broker, held, answer):
    broker.process.send_signal(signal.SIGKILL)
    broker.process.wait(5)
    with pytest.raises(connection.connection_errors):
        getattr(held, answer)()
    assert held.channel.qos.can_consume()


def test_an_acknowledged_message_is_gone_from_the_broker(connection, held):
    held.ack()
    assert held.channel.qos.can_consume()
    assert held.channel.client.hlen("unacked") == 0


def test_a_message_that_is_requeued_comes_again(connection, held):
    held.requeue()
    assert held.channel.client.llen("orders") == 1
    assert held.channel.client.hlen("unacked") == 0
