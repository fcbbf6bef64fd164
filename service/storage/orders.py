"""The table of orders: its rows as orders, and what the API does with them.

The functions work inside the caller's transaction; `OrderStore` is what the API calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from service.errors import OrderNotFoundError
from service.orders import Currency, Item, Order, OrderStatus
from service.semconv import TASK_FULFIL_ORDER, TASK_REFUND_ORDER, TASK_SEND_ORDER_EMAIL
from service.storage import outbox, payments
from service.storage.idempotency import claim_key

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection

    from observability.instrumentation.propagation import TraceContext
    from service.storage.database import Database
    from service.storage.idempotency import Answer, IdempotencyKey

COLUMNS = "id, customer_id, items, currency, total_cents, status, created_at, updated_at, version"


def to_order(row: tuple[Any, ...]) -> Order:
    """Return the order that a row of COLUMNS holds."""
    return Order(
        id=row[0],
        customer_id=row[1],
        items=tuple(Item(**item) for item in row[2]),
        currency=Currency(row[3]),
        total_cents=row[4],
        status=OrderStatus(row[5]),
        created_at=row[6],
        updated_at=row[7],
        version=row[8],
    )


def check_orders(conn: Connection[Any]) -> None:
    """Raise a database error unless orders can be read."""
    conn.execute("SELECT 1 FROM orders LIMIT 0")


def read_order(conn: Connection[Any], order_id: UUID) -> Order:
    """Return an order or raise OrderNotFoundError."""
    row = conn.execute(f"SELECT {COLUMNS} FROM orders WHERE id = %s", (order_id,)).fetchone()  # noqa: S608
    if row is None:
        raise OrderNotFoundError(order_id)
    return to_order(row)


def lock_order(conn: Connection[Any], order_id: UUID) -> Order:
    """Lock and return an order, so that no other transaction can change it before this one ends."""
    row = conn.execute(
        f"SELECT {COLUMNS} FROM orders WHERE id = %s FOR NO KEY UPDATE",  # noqa: S608
        (order_id,),
    ).fetchone()
    if row is None:
        raise OrderNotFoundError(order_id)
    return to_order(row)


def save_status(conn: Connection[Any], order: Order) -> None:
    """Write the status of an order that this transaction has locked."""
    conn.execute(
        "UPDATE orders SET status = %s, updated_at = %s, version = %s WHERE id = %s",
        (order.status, order.updated_at, order.version, order.id),
    )


def insert_order(conn: Connection[Any], order: Order) -> None:
    """Write a new order."""
    items = [
        {"sku": i.sku, "quantity": i.quantity, "unit_price_cents": i.unit_price_cents}
        for i in order.items
    ]
    conn.execute(
        f"INSERT INTO orders ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",  # noqa: S608
        (
            order.id,
            order.customer_id,
            Jsonb(items),
            order.currency,
            order.total_cents,
            order.status,
            order.created_at,
            order.updated_at,
            order.version,
        ),
    )


class OrderStore:
    """Orders in the database; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place(self, order: Order, key: IdempotencyKey | None, trace: TraceContext) -> Answer | None:
        """Write a new order and the message that fulfils it.

        Args:
            order: What is placed.
            key: The client's idempotency key, if it sent one.
            trace: Trace context of the request.

        Returns:
            None, or the key's first response, in which case nothing is written.
        """
        messages = self.messages(order, trace)

        def work(conn: Connection[Any]) -> Answer | None:
            if key and (answer := claim_key(conn, key, order.id)):
                return answer
            insert_order(conn, order)
            for message in messages:
                outbox.add(conn, message)
            return None

        return self._database.run(work)

    def messages(self, order: Order, trace: TraceContext) -> list[outbox.Message]:
        """Return the outbox messages of a new order."""
        return [outbox.Message(order.id, TASK_FULFIL_ORDER, trace=trace)]

    def get(self, order_id: UUID) -> Order:
        """Return an order or raise OrderNotFoundError."""
        return self._database.run(lambda conn: read_order(conn, order_id))

    def page(
        self, customer_id: str, limit: int, after: tuple[datetime, UUID] | None
    ) -> list[Order]:
        """Return a customer's orders, newest first.

        Args:
            customer_id: Whose orders.
            limit: How many at most.
            after: Time and id of the order that the page starts behind; None starts at the newest.
        """
        query = f"SELECT {COLUMNS} FROM orders WHERE customer_id = %s"  # noqa: S608
        values: tuple[Any, ...] = (customer_id,)
        if after:
            query += " AND (created_at, id) < (%s, %s)"
            values += after
        query += " ORDER BY created_at DESC, id DESC LIMIT %s"
        rows = self._database.run(lambda conn: conn.execute(query, (*values, limit)).fetchall())
        return [to_order(row) for row in rows]

    def cancel(self, order_id: UUID, now: datetime, trace: TraceContext) -> tuple[Order, bool]:
        """Cancel an order; refund what was or may have been charged.

        Returns:
            The order, and whether this call changed it.
        """

        def work(conn: Connection[Any]) -> tuple[Order, bool]:
            order = lock_order(conn, order_id)
            if order.status is OrderStatus.CANCELLED:
                return order, False
            order = order.cancel(now)
            save_status(conn, order)
            if payments.find(conn, order_id, payments.PaymentKind.CHARGE):
                outbox.add(conn, outbox.Message(order_id, TASK_REFUND_ORDER, trace=trace))
            email = {"kind": order.status.value}
            outbox.add(conn, outbox.Message(order_id, TASK_SEND_ORDER_EMAIL, email, trace=trace))
            return order, True

        return self._database.run(work)
