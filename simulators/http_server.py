"""An HTTP server on waitress that idle and slow clients cannot stop.

waitress reads whole requests, bodies included, in its event loop, so that a slow client occupies no
thread. What it lacks is added here: a connection that waits too long is closed, and when there are
too many, the one that has waited longest makes room for a new one.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher

if TYPE_CHECKING:
    from collections.abc import Callable

# For a whole request: from the opening of its connection, or from the answer before.
REQUEST_SECONDS = 60.0
# Without an answer of a thread that should be idle or quick.
SILENT_SECONDS = 30.0
ACCEPTED_AT_ONCE = 64
MAX_HEAD_BYTES = 64 * 1024
# Larger bodies are kept in a file while they arrive.
MAX_BODY_BYTES_IN_MEMORY = 128 * 1024


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """The answer to a request that reaches no application: malformed, or too large."""

    def execute(self) -> None:
        """Answer with JSON: `message` is what OTLP's clients read, `error` what others do."""
        error = self.request.error
        sentence = f"{error.reason}: {error.body}"
        body = orjson.dumps({"error": sentence, "message": sentence})
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection.

    Attributes:
        waiting_since: When it was opened, or its last request was answered; monotonic.
    """

    error_task_class = _ErrorTask

    def __init__(self, *args: Any, **options: Any) -> None:
        self.waiting_since = time.monotonic()
        self._serving = False
        super().__init__(*args, **options)

    def is_waiting(self) -> bool:
        """Return whether no request of it has arrived that is not answered."""
        return not self.requests and not self._serving

    def service(self) -> None:
        """Answer a request, in a thread."""
        self._serving = True
        try:
            super().service()
        finally:
            self.waiting_since = time.monotonic()
            self._serving = False


class HttpServer(TcpWSGIServer):  # type: ignore[misc]
    """A running server.

    Args:
        application: WSGI application.
        name: Name of its thread, and of the server in messages.
        host: Address to listen on.
        port: TCP port; 0 picks a free one.
        threads: Requests that it serves at once.
        most_connections: Beyond these, the connection that has waited longest is closed.
        max_body_bytes: Larger bodies are answered with 413.
        max_head_bytes: Larger heads are answered with 431.
        forwards: Whether its threads wait for another server, which may be the one that is silent.

    Raises:
        OSError: The port is taken.
    """

    channel_class = _Channel

    def __init__(
        self,
        application: Callable[..., Any],
        *,
        name: str,
        host: str = "127.0.0.1",
        port: int,
        threads: int,
        most_connections: int,
        max_body_bytes: int,
        max_head_bytes: int = MAX_HEAD_BYTES,
        forwards: bool = False,
    ) -> None:
        self._name = name
        self._forwards = forwards
        self._most = most_connections
        self._beat = self._tidied = time.monotonic()
        options = Adjustments(
            host=host,
            port=port,
            ident="sightline",
            max_request_body_size=max_body_bytes,
            max_request_header_size=max_head_bytes,
            inbuf_overflow=MAX_BODY_BYTES_IN_MEMORY,
            # A client that does not read its answer must not block the thread that writes it.
            outbuf_high_watermark=2**40,
            # Never reached; it would close the port for everybody.
            connection_limit=2**20,
            clear_untrusted_proxy_headers=True,
        )
        dispatcher = ThreadedTaskDispatcher()
        super().__init__(
            application, {}, dispatcher=dispatcher, adj=options, sockinfo=options.listen[0]
        )
        dispatcher.set_thread_count(threads)
        self.port = int(self.effective_port)
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)
        self._thread.start()

    def problem(self) -> str:
        """Return why it does not serve, empty if it does."""
        if not self._thread.is_alive():
            return f"{self._name}: the event loop has ended"
        if time.monotonic() - self._beat > SILENT_SECONDS:
            return f"{self._name}: the event loop does not answer"
        if self._forwards:
            return ""
        with suppress(IndexError):
            waited = time.time() - self.task_dispatcher.queue[0].last_activity
            if waited > SILENT_SECONDS:
                return f"{self._name}: no thread has taken a request for {waited:.0f} s"
        return ""

    def run(self) -> None:
        """Serve until `stop`, in the server's thread."""
        while self._map:
            self._beat = time.monotonic()
            if len(self.active_channels) > self._most or self._beat - self._tidied > 1:
                self._tidied = self._beat
                self._close_waiting(self._beat)
            # Not select(), which fails for good at descriptor 1024.
            wasyncore.poll2(self.adj.asyncore_loop_timeout, self._map)

    def handle_accept(self) -> None:
        """Accept the connections that wait, not one per round of the loop."""
        before = -1
        while before < len(self.active_channels) < self._most + ACCEPTED_AT_ONCE:
            before = len(self.active_channels)
            super().handle_accept()

    def maintenance(self, now: float) -> None:
        """Do nothing: what waits too long is closed between polls, when no event refers to it."""

    def stop(self, within: float = 1.0) -> None:
        """Let running requests end, then close the sockets in the thread that owns them.

        Args:
            within: Seconds that the requests may take.
        """

        def end() -> None:
            for channel in list(self.active_channels.values()):
                channel.handle_close()
            self.close()

        self.task_dispatcher.shutdown(timeout=within)
        if self._thread.is_alive():
            self.trigger.pull_trigger(end)
            self._thread.join(2)

    def _close_waiting(self, now: float) -> None:
        waiting = sorted(
            (channel for channel in self.active_channels.values() if channel.is_waiting()),
            key=lambda channel: channel.waiting_since,
        )
        too_many = max(0, len(self.active_channels) - self._most)
        for number, channel in enumerate(waiting):
            if number < too_many or now - channel.waiting_since > REQUEST_SECONDS:
                channel.handle_close()
