"""Faults of the worker and the relay, each a wrapper around what it breaks.

The composition roots (`process.py`, `relay/app.py`) choose them, and only if a fault file is set.
Nothing else in this package knows that faults exist.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from service.faults.switchboard import mark
from service.semconv import SPAN_RELAY_PAUSE
from worker.clients.mail import Mailer
from worker.errors import MailUnavailableError
from worker.relay.relay import POLL_SECONDS, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import EmailMessage
    from uuid import UUID

    import psycopg
    from opentelemetry.trace import Tracer

    from service.faults.switchboard import Faults
    from worker.tasks.delivery import Delivery
    from worker.tasks.registry import Handler

STUCK_POLL_SECONDS = 0.2


class RefusingMailer(Mailer):
    """A mailer whose server is down while the fault `email_down` is on."""

    def __init__(self, *args: Any, faults: Callable[[], Faults], **options: Any) -> None:
        super().__init__(*args, **options)
        self._faults = faults

    def deliver(self, message: EmailMessage) -> None:
        """Hand a message to the mail server, or fail as if it were down."""
        if self._faults().email_down:
            mark("email_down", True)
            raise MailUnavailableError("fault email_down")
        super().deliver(message)


class StuckHandler:
    """A handler whose tasks hang while the fault `worker_stuck` is on."""

    def __init__(self, handler: Handler, faults: Callable[[], Faults]) -> None:
        self._handler = handler
        self._faults = faults

    def run(self, delivery: Delivery) -> None:
        """Hang, then run the delivery."""
        if self._faults().worker_stuck:
            mark("worker_stuck", True)
            while self._faults().worker_stuck:
                time.sleep(STUCK_POLL_SECONDS)
        self._handler.run(delivery)

    def adopt(self, task: str, order_id: UUID, payload: Mapping[str, Any]) -> None:
        """Take over a message that came without a row."""
        self._handler.adopt(task, order_id, payload)


class DeadRelay(Relay):
    """A relay that sends nothing while the fault `relay_dead` is on.

    Args:
        tracer: Makes a span for the pause, since no message is sent that would have one.
    """

    def __init__(
        self, *args: Any, faults: Callable[[], Faults], tracer: Tracer, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._faults = faults
        self._tracer = tracer

    def work(self, conn: psycopg.Connection[Any]) -> None:
        """Do nothing until the fault is off, then work as usual."""
        if self._faults().relay_dead:
            with self._tracer.start_as_current_span(SPAN_RELAY_PAUSE):
                mark("relay_dead", True)
                while self._faults().relay_dead and not self.stopped.wait(POLL_SECONDS):
                    pass
        else:
            super().work(conn)
