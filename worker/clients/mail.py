"""Email customers about their order.

At least once: a process killed between the server's reply and our own record sends again. The
`Message-ID` is made of the order's id and the kind, so all copies of a message share it.
"""

from __future__ import annotations

import re
import smtplib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from observability.instrumentation.propagation import TraceContext
from observability.instrumentation.semconv import (
    ATTR_SERVER_ADDRESS,
    ATTR_SERVER_PORT,
    HEADER_TRACEPARENT,
)
from observability.instrumentation.spans import client_span
from service.semconv import ATTR_ORDER_ID
from worker.errors import MailRefusedError, MailUnavailableError

if TYPE_CHECKING:
    from observability.instrumentation.telemetry import Telemetry
    from service.orders import Order
    from worker.clients.circuit_breaker import SharedCircuitBreaker

DEPENDENCY = "smtp"
SMTP_SECONDS = 5.0
DOMAIN = "orders.example"
CUSTOMERS_DOMAIN = "customers.example"
PERMANENT = 500

SUBJECTS = {
    "confirmed": "Your order is confirmed",
    "payment_failed": "We could not take your payment",
    "cancelled": "Your order is cancelled",
}
TEXTS = {
    "confirmed": "Thank you! We have received your payment and are preparing your order.",
    "payment_failed": "Your bank declined the payment, so we could not complete your order.",
    "cancelled": "We have cancelled your order as you asked. Anything you paid will be refunded.",
}


def message_id(order_id: object, kind: str) -> str:
    """Return the Message-ID that all copies of a message share, without its angle brackets."""
    return f"{order_id}.{kind}@{DOMAIN}"


def compose(order: Order, kind: str, trace: TraceContext, public_url: str = "") -> EmailMessage:
    """Return the email of a kind about an order.

    Args:
        order: Whose customer gets it.
        kind: A key of `SUBJECTS`.
        trace: Trace context; its `traceparent` becomes a header, its trace id a line of the text.
        public_url: Where the dashboards are reached, for a link to the trace; empty for none.
    """
    mailbox = re.sub(r"[^A-Za-z0-9_.-]", "_", order.customer_id).strip(".") or "customer"
    message = EmailMessage()
    message["From"] = Address("Orders", "orders", DOMAIN)
    message["To"] = Address(username=re.sub(r"\.{2,}", ".", mailbox), domain=CUSTOMERS_DOMAIN)
    message["Subject"] = SUBJECTS[kind]
    message["Date"] = format_datetime(order.updated_at)
    message["Message-ID"] = f"<{message_id(order.id, kind)}>"
    message["X-Order-Id"] = str(order.id)
    lines = [f"Order {order.id}", f"Total {order.total_cents / 100:.2f} {order.currency}"]
    if trace.traceparent:
        message[HEADER_TRACEPARENT] = trace.traceparent
        trace_id = trace.traceparent.split("-")[1]
        lines.append(f"Trace {trace_id}")
        if public_url:
            lines.append(f"{public_url}/d/order?var-trace={trace_id}")
    message.set_content("\n".join([TEXTS[kind], "", *lines, ""]))
    return message


class Mailer:
    """An SMTP client behind a circuit breaker.

    Args:
        host: The mail server.
        port: Its TCP port.
        breaker: Shared by all child processes of the worker.
        telemetry: Makes the span.
        public_url: Where the dashboards are reached; empty for no link in the emails.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        breaker: SharedCircuitBreaker,
        telemetry: Telemetry,
        public_url: str = "",
    ) -> None:
        self._host, self._port = host, port
        self._public_url = public_url
        self._breaker = breaker
        self._telemetry = telemetry

    def send(self, order: Order, kind: str) -> str:
        """Send the email of a kind about an order and return its id.

        Raises:
            MailUnavailableError: The server is down, or refuses for now.
            CircuitOpenError: The server was not called.
            MailRefusedError: The server will never take this message.
        """
        attributes = {
            ATTR_SERVER_ADDRESS: self._host,
            ATTR_SERVER_PORT: self._port,
            ATTR_ORDER_ID: str(order.id),
        }
        with client_span(self._telemetry, "send email", attributes):
            message = compose(order, kind, TraceContext.current(), self._public_url)
            self._breaker.call(lambda: self.deliver(message))
        return message_id(order.id, kind)

    def deliver(self, message: EmailMessage) -> None:
        """Hand a message to the mail server."""
        try:
            # Without a name given here, smtplib looks ours up in the DNS, without a timeout.
            with smtplib.SMTP(self._host, self._port, DOMAIN, timeout=SMTP_SECONDS) as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _refusal(min(codes), str(error)) from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, str(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailableError(f"{type(error).__name__}: {error}") from error


def is_outage(error: BaseException) -> bool:
    """Return whether an error means that the server is down, not that it refused the message."""
    return not isinstance(error, MailRefusedError)


def _refusal(code: int, text: str) -> MailUnavailableError | MailRefusedError:
    return MailRefusedError(text) if code >= PERMANENT else MailUnavailableError(text)
