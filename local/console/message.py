"""Read a message as SMTP delivered it, whatever its bytes are, in bounded time.

The standard library takes a time that grows with the square of a header's length, and with the
number of parts times their depth; some of its charsets are as slow.
"""

from __future__ import annotations

import codecs
import re
import time
from email import message_from_bytes
from email.policy import EmailPolicy
from itertools import islice
from typing import TYPE_CHECKING, Any

from local.store.model import Mail
from local.store.text import clean

if TYPE_CHECKING:
    from email.message import EmailMessage

HEADER_ORDER_ID = "X-Order-Id"
HEADER_TRACEPARENT = "traceparent"
# What comes later is counted in the size, and not shown.
MAX_PARSED = 128 * 1024
MAX_HEADER = 2_000
MOST_HEADERS = 50
MOST_PARTS = 20
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_TAG = re.compile(r"<[^<>]*>")
_NO_CHARSETS = (
    "idna",
    "punycode",
    "raw-unicode-escape",
    "undefined",
    "unicode-escape",
    "unicode_escape",
)


# What the standard library raises for odd headers.
_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


class _Policy(EmailPolicy):
    """The default policy, for the first characters of each header."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return super().header_fetch_parse(name, value[:MAX_HEADER])


_POLICY: Any = _Policy()


def read_mail(content: bytes, sender: str, recipients: list[str]) -> Mail:
    """Return the mail to store for a message as it was received."""
    message: EmailMessage = message_from_bytes(content[:MAX_PARSED], policy=_POLICY)
    headers = _headers(message)
    lowered = {name.lower(): value for name, value in headers.items()}
    traceparent = _TRACEPARENT.fullmatch(lowered.get(HEADER_TRACEPARENT, "").strip())
    return Mail(
        received_ns=time.time_ns(),
        message_id=lowered.get("message-id", "").strip().strip("<>"),
        sender=_address(sender),
        recipients=[_address(one) for one in recipients],
        subject=lowered.get("subject", ""),
        trace_id=traceparent.group(1) if traceparent else "",
        order_id=lowered.get(HEADER_ORDER_ID.lower(), "").strip(),
        headers=headers,
        text=_text(message),
        size=len(content),
    )


def _address(text: str) -> str:
    """Return an address of the envelope, in which broken bytes arrive as surrogates."""
    return clean(text.encode("utf-8", "surrogateescape"))


def _headers(message: EmailMessage) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in islice(message.raw_items(), MOST_HEADERS):
        try:
            text = str(_POLICY.header_fetch_parse(name, value))
        except _UNREADABLE:
            text = str(value)[:MAX_HEADER]
        headers.setdefault(clean(name), _plain(text))
    return headers


def _text(message: EmailMessage) -> str:
    """Return the first plain text among the parts, or else the first HTML without its tags."""
    parts = [(_kind(part), part) for part in islice(message.walk(), MOST_PARTS)]
    for wanted in ("text/plain", "text/html"):
        for kind, part in parts:
            if kind == wanted:
                text = _decoded(part)
                return _plain(_TAG.sub("", text) if kind == "text/html" else text)
    return ""


def _kind(part: EmailMessage) -> str:
    try:
        return "" if part.is_attachment() else part.get_content_type()
    except _UNREADABLE:
        return "text/plain"


def _decoded(part: EmailMessage) -> str:
    raw = b""
    try:
        payload = part.get_payload(decode=True)
        raw = payload if isinstance(payload, bytes) else b""
        charset = codecs.lookup(part.get_content_charset("utf-8")).name
        return raw.decode("utf-8" if charset in _NO_CHARSETS else charset, "replace")
    except _UNREADABLE:
        return raw.decode("utf-8", "replace")


def _plain(text: str) -> str:
    return clean(text).replace("\r\n", "\n")
