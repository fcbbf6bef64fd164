"""Read the depth of Celery's queues from any broker: RabbitMQ, or whatever else kombu knows.

A broker tells how many messages are ready when a queue is declared passively. How many are
unacknowledged, and how old the oldest one is, it does not tell in this way.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .. import semconv
from ..metrics import family
from .queues import QueueCollector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery import Celery
    from kombu.connection import Connection
    from prometheus_client.metrics_core import Metric as Family
    from redis import Redis

    from ..metrics import Collector

_logger = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 2.0
_REDIS = ("redis://", "rediss://")


class DeclaredQueues:
    """A collector of the depth of each queue.

    Args:
        app: Its configuration has the broker.
        queues: All queues to show; one that the broker does not know yet has no messages.
    """

    def __init__(self, app: Celery, queues: Sequence[str]) -> None:
        self._app = app
        self._queues = tuple(queues)
        self._connection: Connection | None = None
        self.is_failing = False

    def describe(self) -> list[Family]:
        """Return the families without values."""
        return [family(semconv.CELERY_POLLER_UP, {}), family(semconv.CELERY_QUEUE_MESSAGES, {})]

    def collect(self) -> Iterator[Family]:
        """Ask the broker for each queue and yield the families; no depth while it fails."""
        depths = self._poll()
        yield family(semconv.CELERY_POLLER_UP, {(): 0.0 if depths is None else 1.0})
        if depths is not None:
            yield family(semconv.CELERY_QUEUE_MESSAGES, {(q,): n for q, n in depths.items()})

    def _poll(self) -> dict[str, float] | None:
        try:
            if self._connection is None:
                self._connection = self._app.connection_for_read(connect_timeout=_TIMEOUT_SECONDS)
            depths = {queue: self._depth(self._connection, queue) for queue in self._queues}
        except Exception as error:  # noqa: BLE001 - a broker can fail in many ways
            if not self.is_failing:
                _logger.warning("the broker cannot be read: %s", error)
            self.is_failing, self._connection = True, None
            return None
        self.is_failing = False
        return depths

    def _depth(self, connection: Connection, queue: str) -> float:
        # A channel of its own: the broker closes the channel of a queue that it does not know.
        channel: Any = connection.channel()  # type: ignore[no-untyped-call]
        with channel:
            try:
                return float(channel.queue_declare(queue, passive=True).message_count)
            except connection.channel_errors:
                return 0.0


def queue_collector(app: Celery, queues: Sequence[str]) -> Collector:
    """Return a collector of these queues, for the broker of an app: Redis or another one."""
    uri = app.connection_for_read().as_uri(include_password=True)
    if not uri.startswith(_REDIS):
        return DeclaredQueues(app, queues)
    options = app.conf.broker_transport_options or {}
    known = {"priority_steps": "priority_steps", "global_keyprefix": "key_prefix"}
    given = {ours: options[theirs] for theirs, ours in known.items() if theirs in options}
    return QueueCollector(lambda: _connect(uri), queues, **given)


def _connect(uri: str) -> Redis:
    from redis import Redis  # noqa: PLC0415 - installed with a broker of this kind only

    client: Redis = Redis.from_url(
        uri, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
    )
    return client
