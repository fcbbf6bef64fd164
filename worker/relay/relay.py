"""The relay's loop: send what is due, then wait for a notification or the next poll.

NOTIFY wakes it within milliseconds of a commit. A poll once a second also finds rows whose back-off
is over, and rows that were written while no relay listened.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
import redis

from service.semconv import QUEUES
from service.storage import outbox
from service.storage.idempotency import purge_expired_keys
from worker.broker import lift_waiting
from worker.relay.sending import BrokerUnavailableError, resend_lost, send_due

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RESEND_EVERY_SECONDS = 5.0
# May be shorter than the visibility timeout, since only rows that the broker does not hold are sent
# again. It covers the moment in which a message is between two lists; a copy does no harm.
RESEND_AFTER = timedelta(seconds=20)
LIFT_AFTER = timedelta(seconds=30)
PURGE_EVERY_SECONDS = 60.0
FAILURE_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


class Relay:
    """A loop that moves outbox rows to the broker until it is stopped.

    Args:
        connect: Opens a connection to the database, in autocommit.
        app: Sends to the broker; made with `create_producer`.
        broker: Reads what the broker holds.
    """

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], app: Celery, broker: redis.Redis
    ) -> None:
        self.stopped = threading.Event()
        self._connect = connect
        self._app = app
        self._broker = broker
        self._pause = FAILURE_PAUSE_SECONDS
        self._resend_at = self._purge_at = 0.0

    def stop(self) -> None:
        """Finish the current batch and return from `run`."""
        self.stopped.set()

    def run(self) -> None:
        """Relay until stopped; pause while the database or the broker is down."""
        while not self.stopped.is_set():
            try:
                with self._connect() as conn:
                    conn.execute(f"LISTEN {outbox.CHANNEL}")
                    while not self.stopped.is_set():
                        self.work(conn)
            except (psycopg.Error, BrokerUnavailableError, redis.RedisError, OSError) as error:
                logger.warning("the relay pauses: %s: %s", type(error).__name__, error)
                self.stopped.wait(self._pause)
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def work(self, conn: psycopg.Connection[Any]) -> None:
        """Send one batch and do the maintenance that is due; wait if there was nothing to send."""
        sent = self._send_batch(conn)
        self._do_maintenance(conn)
        if not sent:
            for _ in conn.notifies(timeout=POLL_SECONDS, stop_after=1):
                pass
        self._pause = FAILURE_PAUSE_SECONDS

    def _send_batch(self, conn: psycopg.Connection[Any]) -> int:
        """Send a batch; rows that were sent are committed even if the broker fails in between."""
        unavailable: BrokerUnavailableError | None = None
        with conn.transaction():
            try:
                return send_due(conn, self._app)
            except BrokerUnavailableError as error:
                unavailable = error
        raise unavailable

    def _do_maintenance(self, conn: psycopg.Connection[Any]) -> None:
        """Lift old messages, resend lost ones, and delete expired idempotency keys."""
        now = monotonic()
        if now >= self._resend_at:
            self._resend_at = now + RESEND_EVERY_SECONDS
            lift_waiting(self._broker, QUEUES, LIFT_AFTER)
            resend_lost(conn, self._broker, RESEND_AFTER)
        if now >= self._purge_at:
            self._purge_at = now + PURGE_EVERY_SECONDS
            purge_expired_keys(conn)
