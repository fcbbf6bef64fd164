"""Run a task's attempt from message to outcome, and decide what an error leads to.

done                          the row is gone, the message is acknowledged
TransientError, time limit    the row is due again later: state `retried`
CircuitOpenError              the same, but the attempt does not count
PermanentError, last attempt  the row is a dead letter: state `failed`
StoreUnavailableError         nothing can be written, the broker delivers again: `rejected`
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery.exceptions import Reject
from opentelemetry import trace

from observability.instrumentation.celery import mark_retried
from service.errors import OrderNotFoundError, StoreUnavailableError
from service.semconv import ATTR_ORDER_ID
from worker.errors import CircuitOpenError, PermanentError, TransientError
from worker.tasks.backoff import delay
from worker.tasks.fulfilment import create_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from service.orders import Order, OrderStatus
    from service.storage.cache import OrderCache
    from worker.clients.mail import Mailer
    from worker.clients.payment import PaymentClient
    from worker.tasks.attempts import Attempts, Delivery

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
PERMANENT = (PermanentError, OrderNotFoundError)
# A message that comes back at once would go round as fast as the broker can.
PAUSE_SECONDS = (0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Runner:
    """Run attempts in one process.

    Args:
        count_outcome: Told the new status of an order that has reached one.
        note_progress: Called when an attempt came to an end.
        pause: Waits before a message is handed back.
    """

    attempts: Attempts
    payment: PaymentClient
    mailer: Mailer
    cache: OrderCache
    count_outcome: Callable[[OrderStatus], None]
    note_progress: Callable[[], None]
    pause: Callable[[float], None] = time.sleep

    def run(self, delivery: Delivery) -> None:
        """Run one attempt.

        Raises:
            Reject: The broker must deliver the message again.
            Exception: The attempt failed for good and is a dead letter.
        """
        trace.get_current_span().set_attribute(ATTR_ORDER_ID, str(delivery.order_id))
        try:
            self._try(delivery)
        except StoreUnavailableError as error:
            self._hand_back(delivery, error)
        except Exception as error:  # noqa: BLE001 - settled, or raised again
            try:
                if not self._settle(delivery, error):
                    raise
            except StoreUnavailableError as unavailable:
                self._hand_back(delivery, unavailable)

    def _try(self, delivery: Delivery) -> None:
        job = create_job(delivery.task, delivery.payload, payment=self.payment, mailer=self.mailer)
        order = self.attempts.begin(delivery, job.plan)
        if order is None:
            self.note_progress()
            return
        answer = job.ask(order)
        changed = self.attempts.finish(
            delivery, lambda conn, locked: job.record(conn, locked, answer)
        )
        self.note_progress()
        if changed is not None:
            self._tell(changed)

    def _tell(self, order: Order) -> None:
        self.count_outcome(order.status)
        self.cache.put(order)
        logger.info("order %s", order.status.value, extra={ATTR_ORDER_ID: str(order.id)})

    def _settle(self, delivery: Delivery, error: Exception) -> bool:
        """Put off or give up an attempt that failed; return whether it is put off."""
        verdict = judge(delivery.attempt, error)
        extra = {ATTR_ORDER_ID: str(delivery.order_id), "attempt": delivery.attempt}
        if verdict is None:
            self.attempts.bury(delivery, error)
            self.note_progress()
            logger.error("%s is a dead letter: %s", delivery.task, error, extra=extra)
            return False
        counts = not isinstance(error, CircuitOpenError)
        self.attempts.put_off(delivery, verdict, error, counts=counts)
        logger.warning("%s will be tried again: %s", delivery.task, error, extra=extra)
        mark_retried(error)
        return True

    def _hand_back(self, delivery: Delivery, error: StoreUnavailableError) -> None:
        self.pause(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - jitter is no secret
        with suppress(StoreUnavailableError):
            self.attempts.forget_start(delivery)
        raise Reject(str(error), requeue=True) from error


def judge(attempt: int, error: Exception) -> timedelta | None:
    """Return how long to wait before the next attempt, or None to give up.

    Args:
        attempt: The attempt that failed, from 1.
        error: Why it failed.
    """
    if isinstance(error, CircuitOpenError):
        return delay(1) + (error.retry_after or delay(1))
    if isinstance(error, PERMANENT) or attempt >= MAX_ATTEMPTS:
        return None
    wait = delay(attempt)
    if isinstance(error, TransientError) and error.retry_after:
        wait = max(wait, error.retry_after)
    return wait
