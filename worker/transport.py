"""Keep a worker consuming after the broker was away: kombu's Redis transport, mended.

kombu counts the messages that a worker holds, and stops taking new ones at the prefetch limit. When
the broker is away as a task ends, telling it fails, Celery logs "Couldn't ack", and kombu counts
the message as held for ever. After as many such failures as the worker has children it takes
nothing any more, although it is connected. Here a message counts as let go in any case: the broker
delivers it again after its visibility time-out, and the outbox row shows that it is done.
"""

from __future__ import annotations

from typing import Any

from kombu import transport as kombu_transport
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import QoS as LocalQoS


class QoS(kombu_redis.QoS):
    """Let a message go even when the broker cannot be told."""

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message."""
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]
        finally:
            LocalQoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give a message back, or drop it."""
        try:
            super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]
        finally:
            LocalQoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]


class Channel(kombu_redis.Channel):
    """Count messages with our QoS."""

    QoS: Any = QoS


class Transport(kombu_redis.Transport):
    """Be what the address `redis://` means."""

    Channel: Any = Channel


def use_transport() -> None:
    """Let kombu find this transport where it would find its own."""
    kombu_transport.TRANSPORT_ALIASES["redis"] = f"{__name__}:{Transport.__name__}"
    # Somebody in this process may have connected before; kombu remembers what it found then.
    kombu_transport._transport_cache.pop("redis", None)
