"""kombu's Redis transport, fixed so that a worker keeps consuming after a broker outage.

kombu counts the messages that a worker holds, and takes no new ones at the prefetch limit. When the
broker is away as a task ends, the acknowledgement fails, Celery logs "Couldn't ack", and kombu
never stops counting the message. After as many such failures as the worker has children it takes
nothing any more, although it is connected. Here a message stops counting in any case: the broker
delivers it again after its visibility timeout, and the outbox row shows that it is done.

Found in kombu 5.7.0. No upstream issue names this cause; the symptom, a worker that is connected to
Redis again and consumes nothing, is that of these:

- https://github.com/celery/celery/issues/8030
- https://github.com/celery/celery/issues/9054
"""

from __future__ import annotations

from typing import Any

from kombu import transport as kombu_transport
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import QoS as LocalQoS


class QoS(kombu_redis.QoS):
    """The count of held messages; an acknowledged one stops counting even if the broker is down."""

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message."""
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]
        finally:
            LocalQoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Requeue a message, or drop it."""
        try:
            super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]
        finally:
            LocalQoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]


class Channel(kombu_redis.Channel):
    """A channel that counts messages with our `QoS`."""

    QoS: Any = QoS


class Transport(kombu_redis.Transport):
    """The transport of `redis://` addresses."""

    Channel: Any = Channel


def use_transport() -> None:
    """Register this transport in place of kombu's own."""
    kombu_transport.TRANSPORT_ALIASES["redis"] = f"{__name__}:{Transport.__name__}"
    # kombu caches the transport that it found first, if this process has connected before.
    kombu_transport._transport_cache.pop("redis", None)
