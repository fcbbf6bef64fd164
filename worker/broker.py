"""The broker: its address, its priority lists, and the messages that it holds."""

from __future__ import annotations

import json
import time
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import quote

from kombu.entity import Queue

from observability.instrumentation.semconv import HEADER_ENQUEUED_AT
from service.semconv import QUEUES, TASK_QUEUES
from service.storage.redis_clients import make_client
from worker.transport import use_transport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    import redis
    from celery import Celery

    from worker.settings import WorkerSettings

# Redis has no priorities; kombu keeps a list for each of these steps, 0 being served first.
PRIORITY_STEPS = (0, 3, 6, 9)
SEPARATOR = "\x06\x16"
UNACKED = "unacked"
# Longer than a reserved message may wait for its child and then run: twice the hard time limit.
VISIBILITY_SECONDS = 45
SOCKET_SECONDS = 5.0
CONNECT_SECONDS = 2.0
# For a scrape or a health check, which must end within a few seconds while the broker hangs.
PROBE_SECONDS = 1.0
LIFT_AT_MOST = 100
# KEYS[1] list of the message, KEYS[2] list to move it to; ARGV the message. Does nothing when a
# worker has just taken it.
LIFT_SCRIPT = """
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1
"""


def broker_url(settings: WorkerSettings) -> str:
    """Return the broker's address; its password may contain any character."""
    broker = settings.broker
    password = f":{quote(broker.password, safe='')}@" if broker.password else ""
    return f"redis://{password}{broker.host}:{broker.port}/0"


def configure(app: Celery, settings: WorkerSettings) -> None:
    """Configure the settings that producer and worker share."""
    use_transport()
    app.conf.update(
        broker_url=broker_url(settings),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "priority_steps": list(PRIORITY_STEPS),
            "queue_order_strategy": "round_robin",
            "socket_timeout": SOCKET_SECONDS,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        task_queues=[Queue(name) for name in QUEUES],  # type: ignore[no-untyped-call]
        task_default_queue=QUEUES[0],
        task_create_missing_queues=False,
        task_routes={task: {"queue": queue} for task, queue in TASK_QUEUES.items()},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
    )


def connect_broker(
    settings: WorkerSettings, timeout_seconds: float = SOCKET_SECONDS
) -> redis.Redis:
    """Return a client with timeouts; it connects when it is first used."""
    return make_client(settings.broker, timeout_seconds=timeout_seconds)


def ping_broker(settings: WorkerSettings) -> bool:
    """Return whether the broker answers."""
    with connect_broker(settings, PROBE_SECONDS) as client:
        return bool(client.ping())


def priority_lists(queue: str) -> list[str]:
    """Return the names of the Redis lists that make up a queue."""
    return [f"{queue}{SEPARATOR}{step}" if step else queue for step in PRIORITY_STEPS]


def queue_lengths(client: redis.Redis, queues: Iterable[str]) -> dict[str, int]:
    """Return how many messages are ready in each queue, over all priorities."""
    names = list(queues)
    pipe = client.pipeline(transaction=False)
    for queue in names:
        for key in priority_lists(queue):
            pipe.llen(key)
    lengths = iter(pipe.execute())
    return {queue: sum(next(lengths) for _ in PRIORITY_STEPS) for queue in names}


def held_messages(client: redis.Redis, queues: Iterable[str]) -> set[str]:
    """Return the ids of all messages that are ready, or delivered and not acknowledged.

    Entries that are not Celery messages are skipped.

    One transaction: between two reads a message could move from a list that is still to be read to
    one that has been read already.
    """
    pipe = client.pipeline(transaction=True)
    for queue in queues:
        for key in priority_lists(queue):
            pipe.lrange(key, 0, -1)
    pipe.hvals(UNACKED)
    *ready, unacked = pipe.execute()
    found = {_id(raw) for raws in ready for raw in raws}
    return found | {_id(raw, delivered=True) for raw in unacked}


def lift_waiting(client: redis.Redis, queues: Iterable[str], older_than: timedelta) -> int:
    """Move messages that wait in a lower list for too long to the end of the first list.

    Workers take from a lower list only when the lists above are empty, which under load may never
    happen. A list is read from its oldest message to the first that is not old.

    Returns:
        How many messages were moved.
    """
    too_old = time.time() - older_than.total_seconds()
    moved = 0
    for queue in queues:
        first, *lower = priority_lists(queue)
        for key in lower:
            waiting: list[bytes] = client.lrange(key, -LIFT_AT_MOST, -1)  # type: ignore[assignment]
            for raw in takewhile(lambda raw: _enqueued_at(raw) < too_old, reversed(waiting)):
                moved += int(client.eval(LIFT_SCRIPT, 2, key, first, raw))
    return moved


def _enqueued_at(raw: bytes) -> float:
    """Return when a message was sent; one that does not say so counts as old."""
    try:
        return float(json.loads(raw)["headers"][HEADER_ENQUEUED_AT])
    except (ValueError, TypeError, LookupError):
        return 0.0


def _id(raw: bytes | str, *, delivered: bool = False) -> str:
    try:
        read = json.loads(raw)
        message = read[0] if delivered else read
        return str(message["headers"]["id"])
    except (ValueError, TypeError, LookupError):
        return ""
