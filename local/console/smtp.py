"""The SMTP sink: it accepts and stores every mail on loopback, and delivers none."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

from local.store.errors import StoreError
from local.store.model import Mail

if TYPE_CHECKING:
    from email.message import EmailMessage

    from local.store.store import Store

MAX_MAIL_BYTES = 1024 * 1024
HEADER_ORDER_ID = "X-Order-Id"
HEADER_TRACEPARENT = "traceparent"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_TAG = re.compile(r"<[^>]*>")


class SmtpSink:
    """An SMTP server in a thread of its own.

    Args:
        store: Store of the mails; a mail is acknowledged once it is stored.
        port: Loopback port; 0 picks a free one.
    """

    def __init__(self, store: Store, port: int) -> None:
        self._store = store
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="smtp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        loop = self._loop
        server = loop.run_until_complete(loop.create_server(self._protocol, sock=self._socket))
        loop.run_forever()
        server.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            data_size_limit=MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            hostname="sightline.local",
            ident="Sightline mail sink",
            loop=self._loop,
        )

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's hook
        """Store one mail; return the SMTP reply."""
        mail = read_mail(envelope.content, envelope.mail_from or "", envelope.rcpt_tos)
        try:
            await self._loop.run_in_executor(None, self._store.put_mail, mail)
        except StoreError as error:
            return f"451 {error}"
        return "250 OK"


def read_mail(content: bytes, sender: str, recipients: list[str]) -> Mail:
    """Return the mail to store for a message as it was received."""
    message = message_from_bytes(content, policy=policy.default)
    headers = _headers(message)
    lowered = {name.lower(): value for name, value in headers.items()}
    traceparent = _TRACEPARENT.fullmatch(lowered.get(HEADER_TRACEPARENT, "").strip())
    return Mail(
        received_ns=time.time_ns(),
        message_id=lowered.get("message-id", "").strip().strip("<>"),
        sender=sender,
        recipients=list(recipients),
        subject=lowered.get("subject", ""),
        trace_id=traceparent.group(1) if traceparent else "",
        order_id=lowered.get(HEADER_ORDER_ID.lower(), "").strip(),
        headers=headers,
        text=_text(message),
        size=len(content),
    )


def _headers(message: EmailMessage) -> dict[str, str]:
    headers = {}
    for name in message:
        try:
            headers[name] = _clean(str(message[name]))
        except (ValueError, IndexError, AttributeError, TypeError):
            headers[name] = "(cannot be read)"
    return headers


def _text(message: EmailMessage) -> str:
    try:
        part = message.get_body(("plain", "html"))
        content = part.get_content() if part else ""
    except (KeyError, LookupError, ValueError, AttributeError):
        payload = message.get_payload(decode=True)
        content = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    if part is not None and part.get_content_type() == "text/html":
        content = _TAG.sub("", content)
    return _clean(str(content))


def _clean(text: str) -> str:
    """Return the text with plain line ends and without lone surrogates, which JSON refuses."""
    return text.encode("utf-8", "replace").decode().replace("\r\n", "\n")
