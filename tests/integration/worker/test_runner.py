"""The outcome of an attempt: done once, rescheduled, a dead letter, or handed back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import Reject
from psycopg_pool import ConnectionPool

from service.errors import StoreUnavailableError
from service.orders import OrderStatus
from service.semconv import TASK_FULFIL_ORDER, TASK_REFUND_ORDER, TASK_SEND_ORDER_EMAIL
from service.storage import orders, outbox, payments
from service.storage.database import Database
from service.storage.payments import PaymentKind, PaymentState
from service.storage.postgres import connection_arguments
from tests.integration.worker.rows import add_order, add_row, letters, place_order, rows, status
from worker.clients.payment import PaymentAnswer, PaymentResult
from worker.errors import (
    CircuitOpenError,
    MailUnavailableError,
    PaymentRefusedError,
    PaymentUnavailableError,
    TooManyStartsError,
)
from worker.tasks.delivery import Delivery
from worker.tasks.failures import MAX_ATTEMPTS, Action, classify
from worker.tasks.runner import MAX_STARTS, Runner

CHARGED = PaymentAnswer(PaymentResult.SUCCEEDED, "ch_1")


@dataclass
class FakePayment:
    """A provider that answers or raises; `meanwhile` runs before it does."""

    answer: Any = CHARGED
    meanwhile: Any = None
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def charge(self, order):
        return self._answer("charge", order.id)

    def refund(self, order_id):
        return self._answer("refund", order_id)

    def _answer(self, what, order_id):
        self.calls.append((what, order_id))
        if self.meanwhile:
            self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class FakeMailer:
    error: Exception | None = None
    sent: list[tuple[Any, str]] = field(default_factory=list)

    def send(self, order, kind):
        if self.error:
            raise self.error
        self.sent.append((order.id, kind))
        return f"{order.id}.{kind}@x"


@dataclass
class FakeCache:
    orders: list[Any] = field(default_factory=list)

    def put(self, order):
        self.orders.append(order)


@pytest.fixture
def store(database):
    arguments = connection_arguments(database, "test")
    with ConnectionPool(kwargs=arguments, min_size=1, max_size=2, timeout=1) as pool:
        yield Database(pool)


@pytest.fixture
def payment():
    return FakePayment()


@pytest.fixture
def mailer():
    return FakeMailer()


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def runner(store, payment, mailer, outcomes):
    return Runner(
        store,
        payment,
        mailer,
        FakeCache(),
        count_outcome=outcomes.append,
        note_progress=lambda: None,
        pause=lambda _: None,
    )


def delivery(row, order_id, task=TASK_FULFIL_ORDER, attempt=1, **payload):
    return Delivery(task, row, attempt, order_id, payload)


def cancel(sql, order_id):
    """Cancel as the API does."""
    with sql.transaction():
        order = orders.lock_order(sql, order_id)
        orders.save_status(sql, order.cancel(datetime.now(UTC)))
        if payments.find(sql, order_id, PaymentKind.CHARGE):
            add_row(sql, order_id, TASK_REFUND_ORDER)
        add_row(sql, order_id, TASK_SEND_ORDER_EMAIL, payload={"kind": "cancelled"})


def payment_state(sql, order_id, kind=PaymentKind.CHARGE):
    found = payments.find(sql, order_id, kind)
    return found.state if found else None


def test_a_charged_order_is_confirmed_and_its_customer_gets_email(runner, payment, sql, outcomes):
    order_id, row = place_order(sql)
    runner.run(delivery(row, order_id))
    assert status(sql, order_id) == "confirmed"
    assert payment_state(sql, order_id) is PaymentState.SUCCEEDED
    assert [task for _, task, _ in rows(sql)] == [TASK_SEND_ORDER_EMAIL]
    assert outcomes == [OrderStatus.CONFIRMED]
    assert runner.cache.orders[0].status is OrderStatus.CONFIRMED


def test_a_declined_order_fails_and_its_customer_gets_email(runner, payment, sql, outcomes):
    payment.answer = PaymentAnswer(PaymentResult.DECLINED, None)
    order_id, row = place_order(sql)
    runner.run(delivery(row, order_id))
    assert status(sql, order_id) == "payment_failed"
    assert payment_state(sql, order_id) is PaymentState.DECLINED
    assert rows(sql, "payload") == [({"kind": "payment_failed"},)]
    assert outcomes == [OrderStatus.PAYMENT_FAILED]


def test_a_message_that_comes_twice_is_worked_on_once(runner, payment, sql, outcomes):
    order_id, row = place_order(sql)
    runner.run(delivery(row, order_id))
    runner.run(delivery(row, order_id))
    assert payment.calls == [("charge", order_id)]
    assert len(outcomes) == 1
    assert len(rows(sql)) == 1


def test_two_copies_at_the_same_time_confirm_once(runner, payment, sql, outcomes):
    order_id, row = place_order(sql)

    def copy_arrives():
        payment.meanwhile = None
        runner.run(delivery(row, order_id))

    payment.meanwhile = copy_arrives
    runner.run(delivery(row, order_id))
    assert status(sql, order_id) == "confirmed"
    assert len(outcomes) == 1
    assert len(rows(sql)) == 1


def test_a_copy_of_an_earlier_attempt_does_nothing(runner, payment, sql):
    order_id, row = place_order(sql)
    payment.answer = PaymentUnavailableError("503")
    runner.run(delivery(row, order_id))
    runner.run(delivery(row, order_id))
    assert payment.calls == [("charge", order_id)]
    assert rows(sql) == [(row, TASK_FULFIL_ORDER, 2)]


def test_a_copy_whose_row_moved_on_meanwhile_records_nothing(runner, payment, sql, outcomes):
    order_id, row = place_order(sql)
    payment.meanwhile = lambda: outbox.reschedule(sql, row, 1, timedelta(0), "another copy failed")
    runner.run(delivery(row, order_id))
    assert rows(sql) == [(row, TASK_FULFIL_ORDER, 2)]
    assert (status(sql, order_id), outcomes) == ("pending", [])


def test_an_order_cancelled_before_its_charge_is_never_charged(runner, payment, sql):
    order_id, row = place_order(sql)
    cancel(sql, order_id)
    runner.run(delivery(row, order_id))
    assert payment.calls == []
    assert [task for _, task, _ in rows(sql)] == [TASK_SEND_ORDER_EMAIL]


def test_an_order_cancelled_during_its_charge_stays_cancelled_and_is_refunded(
    runner, payment, sql, outcomes
):
    order_id, row = place_order(sql)
    payment.meanwhile = lambda: cancel(sql, order_id)
    runner.run(delivery(row, order_id))
    assert status(sql, order_id) == "cancelled"
    assert payment_state(sql, order_id) is PaymentState.SUCCEEDED
    assert [task for _, task, _ in rows(sql)] == [TASK_REFUND_ORDER, TASK_SEND_ORDER_EMAIL]
    assert outcomes == []


def test_a_refund_is_asked_for_once(runner, payment, sql):
    order_id, row = place_order(sql)
    runner.run(delivery(row, order_id))
    cancel(sql, order_id)
    number = next(number for number, task, _ in rows(sql) if task == TASK_REFUND_ORDER)
    for refund in (number, number, add_row(sql, order_id, TASK_REFUND_ORDER)):
        runner.run(delivery(refund, order_id, TASK_REFUND_ORDER))
    assert payment.calls == [("charge", order_id), ("refund", order_id)]
    assert payment_state(sql, order_id, PaymentKind.REFUND) is PaymentState.SUCCEEDED


def test_a_charge_that_a_refund_has_voided_leaves_the_order_cancelled(runner, payment, sql):
    order_id, row = place_order(sql)
    payment.answer = PaymentAnswer(PaymentResult.VOIDED, None)
    payment.meanwhile = lambda: cancel(sql, order_id)
    runner.run(delivery(row, order_id))
    assert status(sql, order_id) == "cancelled"
    assert payment_state(sql, order_id) is PaymentState.VOIDED


def test_a_void_charge_of_an_order_that_was_not_cancelled_waits_for_a_person(runner, payment, sql):
    order_id, row = place_order(sql)
    payment.answer = PaymentAnswer(PaymentResult.VOIDED, None)
    with pytest.raises(Exception, match="is void"):
        runner.run(delivery(row, order_id))
    assert letters(sql) == [(TASK_FULFIL_ORDER, 1, "UnexpectedAnswerError")]


def test_an_email_is_sent_once_and_recorded(runner, mailer, sql):
    order_id = add_order(sql)
    for _ in range(2):
        row = add_row(sql, order_id, TASK_SEND_ORDER_EMAIL, payload={"kind": "confirmed"})
        runner.run(delivery(row, order_id, TASK_SEND_ORDER_EMAIL, kind="confirmed"))
    assert mailer.sent == [(order_id, "confirmed")]
    assert rows(sql) == []
    sent = sql.execute("SELECT kind, message_id FROM emails").fetchall()
    assert sent == [("confirmed", f"{order_id}.confirmed@x")]


def test_an_outage_reschedules_the_row_as_its_next_attempt(runner, payment, sql):
    payment.answer = PaymentUnavailableError("ReadTimeout")
    order_id, row = place_order(sql)
    sql.execute("UPDATE outbox SET published_at = now()")
    runner.run(delivery(row, order_id))
    found = rows(sql, "attempt, starts, published_at, due_at > now(), last_error")
    assert found == [(2, 0, None, True, "PaymentUnavailableError: ReadTimeout")]
    assert status(sql, order_id) == "pending"


def test_an_open_circuit_reschedules_the_row_without_counting(runner, payment, sql):
    payment.answer = CircuitOpenError("payment-provider", timedelta(seconds=7))
    order_id, row = place_order(sql)
    runner.run(delivery(row, order_id, attempt=1))
    assert rows(sql, "attempt, due_at > now() + '7 seconds', due_at < now() + '9 seconds'") == [
        (1, True, True)
    ]


def test_the_last_attempt_is_a_dead_letter(runner, mailer, sql):
    mailer.error = MailUnavailableError("refused")
    order_id = add_order(sql)
    payload = {"kind": "confirmed"}
    row = add_row(sql, order_id, TASK_SEND_ORDER_EMAIL, payload=payload, attempt=MAX_ATTEMPTS)
    last = Delivery(TASK_SEND_ORDER_EMAIL, row, MAX_ATTEMPTS, order_id, payload)
    with pytest.raises(MailUnavailableError):
        runner.run(last)
    assert rows(sql) == []
    assert letters(sql) == [(TASK_SEND_ORDER_EMAIL, MAX_ATTEMPTS, "MailUnavailableError")]


def test_an_error_that_can_never_succeed_is_a_dead_letter_at_once(runner, payment, sql):
    payment.answer = PaymentRefusedError("422")
    order_id, row = place_order(sql)
    with pytest.raises(PaymentRefusedError):
        runner.run(delivery(row, order_id))
    assert letters(sql) == [(TASK_FULFIL_ORDER, 1, "PaymentRefusedError")]


def test_a_message_that_always_kills_its_process_ends_as_a_dead_letter(runner, payment, sql):
    payment.answer = SystemExit("killed")
    payment.meanwhile = lambda: (_ for _ in ()).throw(SystemExit)
    order_id, row = place_order(sql)
    for _ in range(MAX_STARTS):
        with pytest.raises(SystemExit):
            runner.run(delivery(row, order_id))
    with pytest.raises(TooManyStartsError):
        runner.run(delivery(row, order_id))
    assert letters(sql) == [(TASK_FULFIL_ORDER, 1, "TooManyStartsError")]
    assert len(payment.calls) == MAX_STARTS


def test_an_order_that_does_not_exist_is_a_dead_letter(runner, sql):
    from uuid import uuid4

    order_id = uuid4()
    row = add_row(sql, order_id)
    with pytest.raises(Exception, match="no order"):
        runner.run(delivery(row, order_id))
    assert letters(sql) == [(TASK_FULFIL_ORDER, 1, "OrderNotFoundError")]


def test_while_the_database_is_away_the_broker_keeps_the_message(
    runner, payment, sql, database, postgres
):
    order_id, row = place_order(sql)

    def allow_connections(allowed):
        with postgres.connect() as conn:
            conn.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS {allowed}')

    def database_goes():
        allow_connections("false")
        sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = %s AND datname = %s",
            (database.user, database.name),
        )

    payment.meanwhile = database_goes
    with pytest.raises(Reject) as caught:
        runner.run(delivery(row, order_id))
    assert caught.value.requeue
    allow_connections("true")
    assert rows(sql) == [(row, TASK_FULFIL_ORDER, 1)]
    assert status(sql, order_id) == "pending"
    assert payment_state(sql, order_id) is PaymentState.STARTED


def test_a_connection_that_dies_while_the_provider_is_asked_is_replaced(
    runner, payment, sql, database
):
    order_id, row = place_order(sql)
    payment.meanwhile = lambda: sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = %s AND datname = %s",
        (database.user, database.name),
    )
    runner.run(delivery(row, order_id))
    assert payment.calls == [("charge", order_id)]
    assert status(sql, order_id) == "confirmed"
    assert [task for _, task, _ in rows(sql)] == [TASK_SEND_ORDER_EMAIL]


def test_a_foreign_message_gets_a_row_of_its_own(runner, sql):
    order_id = add_order(sql)
    runner.adopt(TASK_FULFIL_ORDER, order_id, {})
    assert [task for _, task, _ in rows(sql)] == [TASK_FULFIL_ORDER]


@pytest.mark.parametrize(
    ("attempt", "error", "low", "high"),
    [
        (1, PaymentUnavailableError("x"), 0.5, 1),
        (4, PaymentUnavailableError("x"), 4, 8),
        (1, PaymentUnavailableError("x", timedelta(seconds=20)), 20, 20),
        (1, RuntimeError("a bug"), 0.5, 1),
        (MAX_ATTEMPTS + 5, CircuitOpenError("smtp", timedelta(seconds=3)), 3.5, 4),
    ],
)
def test_how_long_an_attempt_is_held_back(attempt, error, low, high):
    decision = classify(error, attempt)
    assert decision.action is Action.RESCHEDULE
    assert timedelta(seconds=low) <= decision.due_in <= timedelta(seconds=high)
    assert decision.counts is not isinstance(error, CircuitOpenError)


@pytest.mark.parametrize(
    ("attempt", "error"),
    [(MAX_ATTEMPTS, PaymentUnavailableError("x")), (1, PaymentRefusedError("x"))],
)
def test_when_an_attempt_is_a_dead_letter(attempt, error):
    assert classify(error, attempt).action is Action.DEAD_LETTER


@pytest.mark.parametrize("attempt", [1, MAX_ATTEMPTS + 5])
def test_while_the_database_is_away_an_attempt_is_handed_back(attempt):
    assert classify(StoreUnavailableError("x"), attempt).action is Action.HAND_BACK
