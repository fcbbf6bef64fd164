"""Emails: received by SMTP, read through our API and Mailpit's."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.consoles import Running, ask, running_console

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


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_console(tmp_path_factory.mktemp("state"), {}) as console:
        yield console


def session(console: Running, *commands: bytes) -> list[int]:
    """Send raw commands, each after the reply to the one before; return the codes."""
    with smtplib.SMTP("127.0.0.1", console.console.smtp_port, timeout=60) as smtp:
        codes = [smtp.ehlo()[0]]
        for command in commands:
            smtp.send(command + b"\r\n")
            codes.append(smtp.getreply()[0])
        return codes


def envelope(console: Running, sender: bytes, recipient: bytes, content: bytes) -> list[int]:
    return session(
        console,
        b"MAIL FROM:<%s>" % sender,
        b"RCPT TO:<%s>" % recipient,
        b"DATA",
        content + b"\r\n.",
    )


def test_an_address_that_is_no_utf8_is_repaired_and_ends_nothing(console: Running) -> None:
    """It ended the thread that writes everything."""
    assert envelope(console, b"a\xff@x", b"b\xff@x", b"Subject: one\r\n\r\ntext")[-1] == 250
    (mail,) = console.json("/api/mails")["mails"]
    assert (mail["from"], mail["to"]) == ("a\ufffd@x", ["b\ufffd@x"])
    send(console)
    assert console.json("/api/mails")["total"] == 2


ODD_ADDRESSES = [
    b"",
    b"\xed\xa0\x80@x",
    b"\x00@x",
    b'"a b"@x',
    b"a@[1.2.3.4]",
    b"<>",
    b"\xc3\xa9@x",
    b"x" * 400,
]
ODD_CONTENTS = {
    "nothing": b"",
    "no text": bytes(range(256)).replace(b"\r", b"").replace(b"\n", b""),
    "NUL": b"Subject: a\0b\r\nX\0: y\r\n\r\na\0b",
    "surrogates": b"Subject: =?utf-8?b?7aCA?=\r\nTo: \xed\xa0\x80\r\n\r\n\xed\xa0\x80",
    "surrogate charset": b"Content-Type: text/plain; charset=utf-16\r\n\r\n\x00\xd8\x00\xd8",
    "codec that is no charset": b"Content-Type: text/plain; charset=zlib\r\n\r\nx",
    "broken charset": b"Content-Type: text/plain; charset=\0\r\n\r\nx",
    "slow charset": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * 900,
    "broken base64": b"Content-Transfer-Encoding: base64\r\n\r\n=A=",
    "broken quoted printable": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=",
    "broken dates": b"Date: Mon, 99 Foo 99999 99:99:99 +9999\r\n\r\nx",
    "broken message id": b"Message-ID: <a@[b\r\n\r\nx",
    "broken parameters": b"Content-Type: text/plain; a*0*=b; a*=c'd\r\n\r\nx",
    "broken type": b"Content-Type: /\r\nContent-Disposition: ;;\r\n\r\nx",
    "deep encoding": b"Content-Transfer-Encoding: " + b"(" * 900 + b"\r\n\r\nx",
    "quotes": b"To: " + b'"' * 900 + b"\r\n" + b" " + b'"' * 900 + b"\r\n\r\nx",
    "brackets": b"From: " + b"(" * 900 + b"\r\n\r\nx",
    "many headers": b"X: y\r\n" * 20_000 + b"\r\nx",
    "long header": b"Subject: a\r\n" + b" =?utf-8?q?a\r\n" * 10_000 + b"\r\nx",
    "open tags": b"Content-Type: text/html\r\n\r\n" + (b"<" * 900 + b"\r\n") * 900,
    "nested parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(2_000)
    ),
    "many parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + b"--b\r\n\r\nx\r\n" * 20_000,
    "message in itself": b"Content-Type: message/rfc822\r\n\r\n" * 300,
}


@pytest.mark.parametrize("address", ODD_ADDRESSES)
def test_no_address_ends_anything(odd: Running, address: bytes) -> None:
    """Each command gets a reply, and the next mail is stored."""
    for sender, recipient in ((address, b"b@x"), (b"a@x", address)):
        codes = session(odd, b"MAIL FROM:<%s>" % sender, b"RCPT TO:<%s>" % recipient)
        if codes[-1] == 250:
            codes = envelope(odd, sender, recipient, b"\r\nx")
            assert codes[-1] == 250
        assert all(200 <= code < 600 for code in codes)
    send(odd)
    assert odd.console.problem() == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD_CONTENTS)
def test_no_content_ends_anything(odd: Running, name: str) -> None:
    """It gets a reply within a bounded time, and the next mail is stored."""
    code = envelope(odd, b"a@x", b"b@x", ODD_CONTENTS[name])[-1]
    assert code == 250 or 500 <= code < 600
    send(odd)
    assert odd.console.problem() == ""
    assert odd.get("/api/mails").status == 200
    assert ask(f"{odd.mail}/api/v1/messages").status == 200


def test_recipients_beyond_the_limit_are_refused(console: Running) -> None:
    codes = session(console, b"MAIL FROM:<a@x>", *[b"RCPT TO:<b%d@x>" % n for n in range(101)])
    assert codes[-2:] == [250, 452]


def test_a_mail_that_cannot_be_stored_now_may_be_sent_again(console: Running) -> None:
    """The store is closed: 451 tells the client to try later."""
    console.console.store.close()
    assert envelope(console, b"a@x", b"b@x", b"\r\nx")[-1] == 451
