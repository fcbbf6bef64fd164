"""Run a delivery from its message to its outcome, so that its work is done once.

    1. claim      one transaction: lock row and order, plan the request, record the intent
    2. ask        no transaction: the provider or the mail server may take its time
    3. complete   one transaction: delete the row, record the answer

The outbox row is the truth about an attempt, the broker's message only a hint to read it. A row
that is deleted is done; a row with another attempt number has moved on; either way a copy of the
message does nothing. `starts` counts beginnings, so a message that takes its process down each time
ends as a dead letter instead of being delivered forever.

`failures.py` decides what an error leads to:

    HAND_BACK     the broker delivers the message again: state `rejected`
    RESCHEDULE    the row is due again later: state `retried`
    DEAD_LETTER   a person must look: state `failed`
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery.exceptions import Reject
from opentelemetry import trace

from observability.instrumentation.celery import mark_retried
from observability.instrumentation.propagation import TraceContext
from service.errors import StoreUnavailableError
from service.semconv import ATTR_ORDER_ID
from service.storage import dead_letters, orders, outbox
from worker.errors import TooManyStartsError
from worker.tasks.failures import Action, Decision, classify
from worker.tasks.fulfilment import create_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from psycopg import Connection

    from service.orders import Order, OrderStatus
    from service.storage.cache import OrderCache
    from service.storage.database import Database
    from worker.clients.mail import Mailer
    from worker.clients.payment import PaymentClient
    from worker.tasks.delivery import Delivery
    from worker.tasks.fulfilment import Job

logger = logging.getLogger(__name__)

MAX_STARTS = 8
# Without a pause the message would be delivered again as fast as the broker can.
PAUSE_SECONDS = (0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Runner:
    """The clients and the storage with which one process runs deliveries.

    Args:
        count_outcome: Called with the new status of an order that a delivery has changed.
        note_progress: Called when an attempt has ended.
        pause: Waits before a message is handed back.
    """

    database: Database
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
            self._process(delivery)
        except Exception as error:  # noqa: BLE001 - recorded, or raised again
            try:
                self._record_failure(delivery, error, classify(error, delivery.attempt))
            except StoreUnavailableError as unavailable:
                self._hand_back(delivery, unavailable)

    def adopt(self, task: str, order_id: UUID, payload: Mapping[str, Any]) -> None:
        """Write a row for a message that came without one, so that it is run like any other."""
        message = outbox.Message(order_id, task, dict(payload), trace=TraceContext.current())
        self.database.run(lambda conn: outbox.add(conn, message))

    def _process(self, delivery: Delivery) -> None:
        """Claim, ask, complete; each transaction may run twice if its connection was dead."""
        job = create_job(delivery.task, delivery.payload, payment=self.payment, mailer=self.mailer)
        changed = None
        order = self.database.run(lambda conn: claim(conn, delivery, job))
        if order is not None:
            answer = job.ask(order)
            changed = self.database.run(lambda conn: complete(conn, delivery, job, answer))
        self.note_progress()
        if changed is not None:
            self.count_outcome(changed.status)
            self.cache.put(changed)
            logger.info("order %s", changed.status.value, extra={ATTR_ORDER_ID: str(changed.id)})

    def _record_failure(self, delivery: Delivery, error: Exception, decision: Decision) -> None:
        """Carry out the decision; raise the error unless the attempt is rescheduled."""
        extra = {ATTR_ORDER_ID: str(delivery.order_id), "attempt": delivery.attempt}
        match decision.action:
            case Action.HAND_BACK:
                raise error
            case Action.RESCHEDULE:
                self.database.run(lambda conn: reschedule(conn, delivery, error, decision))
                logger.warning("%s will be tried again: %s", delivery.task, error, extra=extra)
                mark_retried(error)
            case Action.DEAD_LETTER:
                self.database.run(lambda conn: dead_letter(conn, delivery, error))
                self.note_progress()
                logger.error("%s is a dead letter: %s", delivery.task, error, extra=extra)
                raise error

    def _hand_back(self, delivery: Delivery, error: StoreUnavailableError) -> None:
        """Let the broker deliver the message again; this start does not count."""
        self.pause(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - jitter needs no secrecy
        with suppress(StoreUnavailableError):
            self.database.run(
                lambda conn: outbox.take_back_start(conn, delivery.row, delivery.attempt)
            )
        raise Reject(str(error), requeue=True) from error


def claim(conn: Connection[Any], delivery: Delivery, job: Job) -> Order | None:
    """Claim the row and plan its work, with the order locked.

    Returns:
        The order to ask about, or None when nothing is left to do; the row is then removed.

    Raises:
        TooManyStartsError: The attempt has started too often and has never ended.
    """
    starts = outbox.claim(conn, delivery.row, delivery.attempt)
    if starts is None:
        logger.info(
            "message is a copy; its work is done or goes on elsewhere",
            extra={"row": delivery.row, "attempt": delivery.attempt},
        )
        return None
    if starts > MAX_STARTS:
        raise TooManyStartsError(f"began {starts} times and never ended")
    planned = job.plan(conn, orders.lock_order(conn, delivery.order_id))
    if planned is None:
        outbox.remove(conn, delivery.row, delivery.attempt)
    return planned


def complete(conn: Connection[Any], delivery: Delivery, job: Job, answer: Any) -> Order | None:
    """Remove the row and record the answer, with the order locked.

    Returns:
        The order if this changed it; None also when another copy was faster.
    """
    if outbox.remove(conn, delivery.row, delivery.attempt) is None:
        return None
    return job.record(conn, orders.lock_order(conn, delivery.order_id), answer)


def reschedule(
    conn: Connection[Any], delivery: Delivery, error: Exception, decision: Decision
) -> None:
    """Let the row be sent again later."""
    values = (delivery.row, delivery.attempt, decision.due_in, describe(error))
    outbox.reschedule(conn, *values, counts=decision.counts)


def dead_letter(conn: Connection[Any], delivery: Delivery, error: Exception) -> None:
    """Move the row to the dead letters, unless another copy was faster."""
    row = outbox.remove(conn, delivery.row, delivery.attempt)
    if row is not None:
        dead_letters.add(conn, row, type(error).__name__, describe(error))


def describe(error: Exception) -> str:
    """Return an error as one line that fits a row."""
    return f"{type(error).__name__}: {error}"[: outbox.MAX_ERROR_LENGTH]
