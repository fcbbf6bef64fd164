"""Emails to customers, against a real mail server."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller

from observability.instrumentation.propagation import TraceContext
from observability.instrumentation.testing import recorded_telemetry
from service.faults.switchboard import Faults
from service.orders import Currency, Item, place
from tests.integration.worker.processes import Mailbox
from tools.servers import free_port
from worker.clients.circuit_breaker import MAX_FAILURES, SharedCircuitBreaker
from worker.clients.mail import Mailer, compose, is_outage
from worker.errors import CircuitOpenError, MailRefusedError, MailUnavailableError
from worker.faults import RefusingMailer

ORDER_ID = UUID("11111111-2222-3333-4444-555555555555")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDER = place(ORDER_ID, "customer:7..x", [Item("tea", 2, 650)], Currency.EUR, NOW)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def server(mailbox):
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def telemetry():
    with recorded_telemetry() as telemetry:
        yield telemetry


@pytest.fixture
def make_mailer(telemetry):
    def make(port, mailer=Mailer, **options):
        breaker = SharedCircuitBreaker("smtp", is_outage, lambda *_: None)
        return mailer("127.0.0.1", port, breaker=breaker, telemetry=telemetry, **options)

    return make


def test_an_email_carries_its_order_and_its_trace():
    message = compose(ORDER, "confirmed", TraceContext(TRACEPARENT))
    assert message["Message-ID"] == f"<{ORDER_ID}.confirmed@orders.example>"
    assert message["To"] == "customer_7.x@customers.example"
    assert message["X-Order-Id"] == str(ORDER_ID)
    assert message["traceparent"] == TRACEPARENT
    assert "Total 13.00 EUR" in message.get_content()


def test_the_text_of_an_email_shows_the_trace_id_and_a_link_only_if_there_is_an_address():
    trace = "0af7651916cd43dd8448eb211c80319c"
    here = compose(ORDER, "confirmed", TraceContext(TRACEPARENT)).get_content()
    assert f"\nTrace {trace}\n" in here
    assert "http" not in here
    url = "https://sightline.example"
    public = compose(ORDER, "confirmed", TraceContext(TRACEPARENT), url).get_content()
    assert f"\nTrace {trace}\n{url}/d/order?var-trace={trace}\n" in public
    assert "Trace" not in compose(ORDER, "confirmed", TraceContext()).get_content()


def test_copies_of_a_message_share_its_id_and_other_kinds_do_not():
    first, copy = (compose(ORDER, "confirmed", TraceContext())["Message-ID"] for _ in range(2))
    assert first == copy
    assert compose(ORDER, "cancelled", TraceContext())["Message-ID"] != first


def test_the_server_gets_the_message(server, mailbox, make_mailer):
    assert (
        make_mailer(server.port).send(ORDER, "cancelled") == f"{ORDER_ID}.cancelled@orders.example"
    )
    assert mailbox.messages[0]["Subject"] == "Your order is cancelled"


def test_a_server_that_does_not_listen_is_unavailable(make_mailer):
    with pytest.raises(MailUnavailableError):
        make_mailer(free_port()).send(ORDER, "confirmed")


@pytest.mark.parametrize(
    ("answer", "error"),
    [("451 later", MailUnavailableError), ("554 never", MailRefusedError)],
)
def test_a_refusal_is_for_now_or_for_good(server, mailbox, make_mailer, answer, error):
    mailbox.refuse = answer
    with pytest.raises(error, match=answer.split()[1]):
        make_mailer(server.port).send(ORDER, "confirmed")


def test_refusals_for_good_leave_the_circuit_closed(server, mailbox, make_mailer):
    mailbox.refuse = "554 never"
    mailer = make_mailer(server.port)
    for _ in range(2 * MAX_FAILURES):
        with pytest.raises(MailRefusedError):
            mailer.send(ORDER, "confirmed")


def test_after_five_outages_the_server_is_not_asked(server, mailbox, make_mailer):
    down = [True]
    mailer = make_mailer(server.port, RefusingMailer, faults=lambda: Faults(email_down=down[0]))
    for _ in range(MAX_FAILURES):
        with pytest.raises(MailUnavailableError, match="email_down"):
            mailer.send(ORDER, "confirmed")
    down[0] = False
    with pytest.raises(CircuitOpenError):
        mailer.send(ORDER, "confirmed")
    assert mailbox.messages == []
