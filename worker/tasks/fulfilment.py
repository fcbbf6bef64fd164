"""The job of each task: a request to an external service, and its effect on the order.

A job plans with the order locked, asks without any lock, and records with the order locked again:
a slow provider holds no transaction open. Between the two the customer may cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from observability.instrumentation.propagation import TraceContext
from service.orders import Order, OrderStatus
from service.semconv import (
    TASK_FULFIL_ORDER,
    TASK_REFUND_ORDER,
    TASK_SEND_ORDER_EMAIL,
)
from service.storage import emails, orders, outbox, payments
from service.storage.payments import PaymentKind, PaymentState
from worker.clients.mail import SUBJECTS
from worker.clients.payment import PaymentAnswer, PaymentResult
from worker.errors import BadMessageError, UnexpectedAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

    from worker.clients.mail import Mailer
    from worker.clients.payment import PaymentClient

STATES = {
    PaymentResult.SUCCEEDED: PaymentState.SUCCEEDED,
    PaymentResult.DECLINED: PaymentState.DECLINED,
    PaymentResult.VOIDED: PaymentState.VOIDED,
}


class Job(Protocol):
    """The three steps of a task."""

    def plan(self, conn: Connection[Any], order: Order) -> Order | None:
        """Return the order to ask about, or None when nothing is left to do."""

    def ask(self, order: Order) -> Any:
        """Ask the external service; no transaction is open."""

    def record(self, conn: Connection[Any], order: Order, answer: Any) -> Order | None:
        """Record the answer; return the order if it changed."""


@dataclass(frozen=True, slots=True)
class Fulfil:
    """The job that charges a pending order and confirms it."""

    payment: PaymentClient

    def plan(self, conn: Connection[Any], order: Order) -> Order | None:
        """Record the intent before the money moves, so that a cancellation knows to refund."""
        if order.status is not OrderStatus.PENDING:
            return None
        payments.start(conn, order.id, PaymentKind.CHARGE)
        return order

    def ask(self, order: Order) -> PaymentAnswer:
        """Charge the total."""
        return self.payment.charge(order)

    def record(self, conn: Connection[Any], order: Order, answer: PaymentAnswer) -> Order | None:
        """Confirm or fail the order, unless the customer cancelled it meanwhile."""
        state = STATES[answer.result]
        payments.finish(conn, order.id, PaymentKind.CHARGE, state, answer.reference)
        changed = outcome(order, answer.result, datetime.now(UTC))
        if changed is None:
            return None
        orders.save_status(conn, changed)
        _email_customer(conn, changed)
        return changed


@dataclass(frozen=True, slots=True)
class Refund:
    """The job that refunds a cancelled order, or voids a charge that may still come."""

    payment: PaymentClient

    def plan(self, conn: Connection[Any], order: Order) -> Order | None:
        """Record the intent, unless the refund is known to be done."""
        refund = payments.start(conn, order.id, PaymentKind.REFUND)
        return order if refund.state is PaymentState.STARTED else None

    def ask(self, order: Order) -> PaymentAnswer:
        """Refund the charge."""
        return self.payment.refund(order.id)

    def record(self, conn: Connection[Any], order: Order, answer: PaymentAnswer) -> Order | None:
        """Record the provider's answer; the order is cancelled already."""
        state = STATES[answer.result]
        payments.finish(conn, order.id, PaymentKind.REFUND, state, answer.reference)
        return None


@dataclass(frozen=True, slots=True)
class SendEmail:
    """The job that sends one kind of email about an order."""

    mailer: Mailer
    kind: str

    def plan(self, conn: Connection[Any], order: Order) -> Order | None:
        """Skip an email that is known to be sent."""
        return None if emails.is_sent(conn, order.id, self.kind) else order

    def ask(self, order: Order) -> str:
        """Send the email and return its id."""
        return self.mailer.send(order, self.kind)

    def record(self, conn: Connection[Any], order: Order, answer: str) -> Order | None:
        """Record that it is sent."""
        emails.add(conn, order.id, self.kind, answer)
        return None


def outcome(order: Order, result: PaymentResult, now: datetime) -> Order | None:
    """Return an order as a charge changes it, or None when it stays as it is.

    A charge is void only when a refund came first, and a refund only when the order was cancelled;
    an order that is still pending then has lost its cancellation, which is an error.
    """
    if order.status is not OrderStatus.PENDING:
        return None
    if result is PaymentResult.SUCCEEDED:
        return order.confirm(now)
    if result is PaymentResult.DECLINED:
        return order.fail_payment(now)
    raise UnexpectedAnswerError(f"the charge of pending order {order.id} is void")


def create_job(
    task: str, payload: Mapping[str, Any], *, payment: PaymentClient, mailer: Mailer
) -> Job:
    """Return the job of a task.

    Raises:
        BadMessageError: The task or the kind of email is unknown.
    """
    if task == TASK_SEND_ORDER_EMAIL:
        kind = payload.get("kind")
        if kind not in SUBJECTS:
            raise BadMessageError(f"{kind!r} is not a kind of email")
        return SendEmail(mailer, kind)
    if task == TASK_FULFIL_ORDER:
        return Fulfil(payment)
    if task == TASK_REFUND_ORDER:
        return Refund(payment)
    raise BadMessageError(f"{task!r} is not a task")


def _email_customer(conn: Connection[Any], order: Order) -> None:
    email = {"kind": order.status.value}
    trace = TraceContext.current()
    outbox.add(conn, outbox.Message(order.id, TASK_SEND_ORDER_EMAIL, email, trace=trace))
