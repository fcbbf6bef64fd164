"""The SMTP sink: it accepts and stores every mail on loopback, and delivers none."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

from local.console.message import read_mail
from local.store.errors import BadPayloadError, StoreError

if TYPE_CHECKING:
    from local.store.store import Store

MAX_MAIL_BYTES = 1024 * 1024
# Between two commands, and for the whole of a message.
SESSION_SECONDS = 30.0
MOST_RECIPIENTS = 100
SILENT_SECONDS = 30.0
BEAT_SECONDS = 1.0
THREADS = 4
ACCEPTED_AT_ONCE = 64

_logger = logging.getLogger(__name__)
# A line for each command that a client misspells would fill the disk.
logging.getLogger("mail.log").setLevel(logging.ERROR)


class _Session(SMTP):
    """A connection; one that sends much more than a mail without waiting for a reply is closed."""

    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink
        self._unanswered = 0
        super().__init__(
            sink,
            data_size_limit=MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            hostname="sightline.local",
            ident="Sightline mail sink",
            timeout=SESSION_SECONDS,
            loop=sink.loop,
        )

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._sink.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.closed(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._unanswered += len(data)
        if self._unanswered > 2 * MAX_MAIL_BYTES:
            self.end()
        else:
            super().data_received(data)

    async def push(self, status: Any) -> None:
        self._unanswered = 0
        await super().push(status)

    async def smtp_POST(self, _: str | None) -> None:  # noqa: N802 - aiosmtpd looks it up by this name
        """End the session of a web page, whose body could be commands: those of a false alert."""
        self.end()

    def end(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]


class SmtpSink:
    """An SMTP server in a thread of its own.

    Args:
        store: Store of the mails; a mail is acknowledged once it is stored.
        port: Loopback port; 0 picks a free one.
        most_connections: Beyond these, the oldest is closed.
    """

    def __init__(self, store: Store, port: int, most_connections: int) -> None:
        self._store = store
        self._most = most_connections
        self._sessions: dict[_Session, None] = {}
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self._threads = ThreadPoolExecutor(THREADS, "smtp")
        self._beat = time.monotonic()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="smtp", daemon=True)
        self._thread.start()

    def problem(self) -> str:
        """Return why it takes no mail, empty if it does."""
        if not self._thread.is_alive():
            return "SMTP: the event loop has ended"
        if time.monotonic() - self._beat > SILENT_SECONDS:
            return "SMTP: the event loop does not answer"
        return ""

    def stop(self) -> None:
        """Stop listening."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(5)

    def opened(self, session: _Session) -> None:
        """Note that a session was opened, and close the oldest if there are too many."""
        self._sessions[session] = None
        if len(self._sessions) > self._most:
            oldest = next(iter(self._sessions))
            del self._sessions[oldest]
            oldest.end()

    def closed(self, session: _Session) -> None:
        """Note that a session has ended."""
        self._sessions.pop(session, None)

    def _run(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self._threads.shutdown()
            self.loop.close()

    async def _serve(self) -> None:
        server = await self.loop.create_server(
            lambda: _Session(self), sock=self._socket, backlog=ACCEPTED_AT_ONCE
        )
        self._socket.listen(1024)
        while not self._stopping.is_set():
            self._beat = time.monotonic()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), BEAT_SECONDS)
        server.close()
        sessions = asyncio.all_tasks() - {asyncio.current_task()}
        for session in sessions:
            session.cancel()
        if sessions:
            await asyncio.wait(sessions, timeout=2)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's hook
        self,
        server: SMTP,  # noqa: ARG002
        session: Any,  # noqa: ARG002
        envelope: Any,
        address: str,
        options: list[str],
    ) -> str:
        """Take one recipient; return the SMTP reply."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return f"452 4.5.3 more than {MOST_RECIPIENTS} recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_exception(self, error: Exception) -> str:
        """Return the reply to a command that aiosmtpd fails to read, for some addresses."""
        _logger.info("an SMTP command was refused: %s", type(error).__name__)
        return "501 5.5.4 the command cannot be read"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's hook
        """Store one mail; return the SMTP reply."""
        try:
            await self.loop.run_in_executor(self._threads, self._keep, envelope)
        except BadPayloadError as error:
            return f"554 5.6.0 {error}"
        except StoreError as error:
            return f"451 4.3.0 {error}"
        except Exception as error:
            _logger.exception("a mail was refused")
            return f"554 5.6.0 the message cannot be read: {type(error).__name__}"
        return "250 OK"

    def _keep(self, envelope: Any) -> None:
        mail = read_mail(envelope.content, envelope.mail_from or "", envelope.rcpt_tos)
        self._store.put_mail(mail)
