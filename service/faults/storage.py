"""Faults of the storage: a slow or failing database, a cold or contended cache, poison messages."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from service.faults.switchboard import mark
from service.storage import outbox
from service.storage.cache import OrderCache
from service.storage.database import Database
from service.storage.orders import OrderStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from observability.instrumentation.propagation import TraceContext
    from service.faults.switchboard import Switchboard
    from service.orders import Order
    from service.storage.cache import Entry
    from service.storage.postgres import Connections

# A task that no worker knows.
POISON = "poison"
# Ten requests per second read about six orders; one key that each holds for this long serves four,
# so that readers queue and most wait for longer than the latency objective allows.
HOT_KEY_SECONDS = 0.25
# Less than threads times this would stop the API altogether, which is another fault.
HOT_KEY_WAIT_SECONDS = 1.0
HOT_KEY_POLL_SECONDS = 0.01


class FaultyDatabase(Database):
    """A database whose transactions wait or fail: database_slow, database_failing."""

    def __init__(self, pool: Connections, switchboard: Switchboard) -> None:
        super().__init__(pool)
        self._switchboard = switchboard

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Yield a connection after a delay, or fail."""
        with super().transaction() as conn:
            self._strike(conn)
            yield conn

    def _strike(self, conn: psycopg.Connection[Any]) -> None:
        faults = self._switchboard.now()
        if faults.database_slow_seconds:
            mark("database_slow", faults.database_slow_seconds)
            conn.execute("SELECT pg_sleep(%s)", (faults.database_slow_seconds,))
        if faults.database_failing_ratio and random.random() < faults.database_failing_ratio:  # noqa: S311
            mark("database_failing", faults.database_failing_ratio)
            raise psycopg.OperationalError("fault database_failing")


class FaultyCache(OrderCache):
    """A cache that finds nothing, or whose readers queue for one key: cold_cache, hot_key."""

    def __init__(self, *arguments: Any, switchboard: Switchboard) -> None:
        super().__init__(*arguments)
        self._switchboard = switchboard

    def look_up(self, order_id: UUID) -> Entry | None:
        """Return the entry of an order, after a wait."""
        if self._switchboard.now().hot_key:
            mark("hot_key", True)
            self._queue_for_one_key()
        return super().look_up(order_id)

    def read(self, text: bytes | None) -> Entry | None:
        """Return the entry, or report a miss."""
        if self._switchboard.now().cold_cache:
            mark("cold_cache", True)
            return None
        return super().read(text)

    def _queue_for_one_key(self) -> None:
        deadline = time.monotonic() + HOT_KEY_WAIT_SECONDS
        while time.monotonic() < deadline:
            if self.client.set("hot", 1, nx=True, px=int(HOT_KEY_SECONDS * 1000)):
                return
            time.sleep(HOT_KEY_POLL_SECONDS)


class PoisoningOrderStore(OrderStore):
    """A store that adds to each new order a message that cannot be sent: poison_message."""

    def __init__(self, database: Database, switchboard: Switchboard) -> None:
        super().__init__(database)
        self._switchboard = switchboard

    def messages(self, order: Order, trace: TraceContext) -> list[outbox.Message]:
        """Return the outbox messages of a new order, and one that cannot be sent."""
        messages = super().messages(order, trace)
        if self._switchboard.now().poison_message:
            mark("poison_message", value=True)
            messages.append(outbox.Message(order.id, POISON, trace=trace))
        return messages
