"""Send outbox rows to the broker: at least once, in sequence per order, skipping bad rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import redis
from kombu.exceptions import EncodeError, OperationalError

from observability.instrumentation.semconv import HEADER_ATTEMPT
from service.semconv import (
    ATTR_ORDER_ID,
    QUEUES,
    TASK_QUEUES,
)
from service.storage import outbox
from worker.broker import held_messages, queue_lengths
from worker.tasks.delivery import message_id

if TYPE_CHECKING:
    from datetime import timedelta

    from celery import Celery
    from psycopg import Connection

    from service.storage.outbox import OutboxRow

logger = logging.getLogger(__name__)

BATCH = 50
# Lower is served first. A retry must not hold up new work, of which no task goes before another.
FIRST_PRIORITY = 0
RETRY_PRIORITY = 6
# With more messages ready than this, reading them all costs more than waiting.
MAX_READY = 1000


class BrokerUnavailableError(Exception):
    """A broker that does not take messages now."""


def send_due(conn: Connection[Any], app: Celery) -> int:
    """Send a batch of due rows and mark them; return how many were taken from the outbox.

    The rows stay locked until the caller commits, so that several relays share the work. A relay
    that dies between sending and committing sends again: the worker recognises copies.

    Raises:
        BrokerUnavailableError: Nothing more can be sent; what was sent is marked.
    """
    rows = outbox.fetch_due(conn, BATCH)
    sent: list[int] = []
    try:
        for row in rows:
            if problem := _send(app, row):
                outbox.poison(conn, row.id, problem)
                logger.error("outbox row is set aside: %s", problem, extra={"row": row.id})
            else:
                sent.append(row.id)
    finally:
        if sent:
            outbox.mark_published(conn, sent)
    return len(rows)


def resend_lost(conn: Connection[Any], broker: redis.Redis, older_than: timedelta) -> int:
    """Make rows due again that were sent, are not done, and that the broker does not hold.

    Taking a message from Redis and recording it as delivered are two steps: a worker killed between
    them loses it, and so does a broker that loses its disk. The outbox row then restores it.

    Args:
        conn: In autocommit, or in a transaction of its own.
        broker: Reads what the broker holds.
        older_than: How long ago a row must have been sent to count as lost.

    Returns:
        How many rows are due again.
    """
    candidates = {
        message_id(number, attempt): number
        for number, attempt in outbox.unfinished(conn, older_than)
    }
    if not candidates or sum(queue_lengths(broker, QUEUES).values()) > MAX_READY:
        return 0
    held = held_messages(broker, QUEUES)
    lost = [number for message, number in candidates.items() if message not in held]
    if lost:
        outbox.resend(conn, lost, older_than)
        logger.warning("the broker lost messages; they are sent again", extra={"rows": lost})
    return len(lost)


def _send(app: Celery, row: OutboxRow) -> str | None:
    """Send one row; return why it can never be sent, or None when it was."""
    if row.task not in TASK_QUEUES:
        return f"unknown task {row.task!r}"
    arguments = {"order_id": str(row.order_id), "payload": row.payload}
    try:
        with row.trace.as_parent():
            app.send_task(
                row.task,
                kwargs={**arguments, "row": row.id, "attempt": row.attempt},
                task_id=message_id(row.id, row.attempt),
                queue=TASK_QUEUES[row.task],
                priority=RETRY_PRIORITY if row.was_put_off else FIRST_PRIORITY,
                headers={HEADER_ATTEMPT: row.attempt},
                ignore_result=True,
                retry=False,
            )
            logger.info("%s sent", row.task, extra={ATTR_ORDER_ID: str(row.order_id)})
    except EncodeError as error:
        return f"{error}"
    except (OperationalError, redis.RedisError, OSError) as error:
        raise BrokerUnavailableError(str(error)) from error
    return None
