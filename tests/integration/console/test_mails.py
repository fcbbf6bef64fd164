"""Emails: received by SMTP, read through our API and Mailpit's."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from tests.consoles import Running, ask

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def send(console: Running, number: int = 1, text: str = "Your order is confirmed.") -> None:
    message = EmailMessage()
    message["From"] = "Sightline <orders@sightline.example>"
    message["To"] = f"Zoë <customer-{number}@example.org>"
    message["Subject"] = f"Order {number} ✓"
    message["Message-ID"] = f"<order-{number}.confirmed@sightline.example>"
    message["X-Order-Id"] = f"order-{number}"
    message["traceparent"] = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
    message.set_content(text)
    with smtplib.SMTP("127.0.0.1", console.console.smtp_port) as smtp:
        smtp.send_message(message)


def test_an_email_is_stored_with_its_ids_once_smtp_answers_250(console: Running) -> None:
    send(console)
    (mail,) = ask(f"{console.mail}/api/mails").json["mails"]
    assert mail["message_id"] == "order-1.confirmed@sightline.example"
    assert mail["trace_id"] == TRACE_ID
    assert mail["order_id"] == "order-1"
    assert mail["subject"] == "Order 1 ✓"
    assert mail["to"] == ["customer-1@example.org"]
    assert mail["text"] == "Your order is confirmed.\n"


def test_emails_are_found_by_order_trace_recipient_and_words(console: Running) -> None:
    for number in (1, 2, 3):
        send(console, number)
    for params, ids in (
        ({"order_id": "order-2"}, ["order-2"]),
        ({"trace_id": TRACE_ID, "limit": "2"}, ["order-3", "order-2"]),
        ({"to": "customer-3@"}, ["order-3"]),
        ({"subject": "order 1"}, ["order-1"]),
    ):
        found = console.json("/api/mails", **params)["mails"]
        assert [mail["order_id"] for mail in found] == ids


def test_the_mail_port_answers_as_mailpit_does(console: Running) -> None:
    send(console)
    listing = ask(f"{console.mail}/api/v1/messages").json
    assert listing["total"] == 1
    (summary,) = listing["messages"]
    assert summary["MessageID"] == "order-1.confirmed@sightline.example"
    assert summary["From"] == {"Name": "Sightline", "Address": "orders@sightline.example"}
    whole = ask(f"{console.mail}/api/v1/message/{summary['ID']}").json
    assert whole["Text"] == "Your order is confirmed.\n"
    headers = ask(f"{console.mail}/api/v1/message/{summary['ID']}/headers").json
    assert headers["X-Order-Id"] == ["order-1"]
    found = ask(f"{console.mail}/api/v1/search?query=to:customer-1%20confirmed").json
    assert found["total"] == 1
    assert ask(f"{console.mail}/api/v1/messages", method="DELETE").status == 200
    assert ask(f"{console.mail}/api/v1/messages").json["total"] == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"no headers at all",
        b"Subject: =?utf-8?b?broken\r\nTo: @@\r\n\r\nx",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff\xfe",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nbroken",
        b"Message-ID: <\xff>\r\n\r\n\xff",
    ],
)
def test_a_malformed_email_is_stored_too(console: Running, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", console.console.smtp_port) as smtp:
        smtp.sendmail("a@example.org", ["b@example.org"], raw)
    (mail,) = console.json("/api/mails")["mails"]
    assert mail["to"] == ["b@example.org"]


def test_an_email_above_the_size_limit_is_refused(console: Running) -> None:
    with pytest.raises(smtplib.SMTPResponseException):
        send(console, text="x" * 70 + "\n" + ("y" * 70 + "\n") * 20_000)
    assert console.json("/api/mails")["total"] == 0


def test_the_start_page_of_the_mail_port_lists_emails(console: Running) -> None:
    assert b'data-page="mails"' in ask(console.mail + "/").body
