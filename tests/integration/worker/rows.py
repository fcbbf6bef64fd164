"""Orders and outbox rows for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from observability.instrumentation.propagation import TraceContext
from service.orders import Currency, Item, place
from service.semconv import TASK_FULFIL_ORDER
from service.storage import orders, outbox

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


def add_order(sql: psycopg.Connection, customer: str = "customer-1") -> UUID:
    """Write a pending order and return its id."""
    order = place(uuid4(), customer, [Item("tea", 2, 650)], Currency.EUR, datetime.now(UTC))
    orders.insert_order(sql, order)
    return order.id


def add_row(
    sql: psycopg.Connection, order_id: UUID, task: str = TASK_FULFIL_ORDER, **more: Any
) -> int:
    """Write an outbox row as the API does."""
    return outbox.add(sql, outbox.Message(order_id, task, **more))


def place_order(sql: psycopg.Connection, **more: Any) -> tuple[UUID, int]:
    """Write an order and the row that fulfils it, in one transaction."""
    with sql.transaction():
        order_id = add_order(sql)
        return order_id, add_row(sql, order_id, trace=TraceContext(TRACEPARENT), **more)


def status(sql: psycopg.Connection, order_id: UUID) -> str:
    row = sql.execute("SELECT status FROM orders WHERE id = %s", (order_id,)).fetchone()
    return row[0] if row else "missing"


def rows(sql: psycopg.Connection, columns: str = "id, task, attempt") -> list[tuple[Any, ...]]:
    return sql.execute(f"SELECT {columns} FROM outbox ORDER BY id").fetchall()


def letters(sql: psycopg.Connection) -> list[tuple[Any, ...]]:
    return sql.execute("SELECT task, attempt, error_type FROM dead_letters ORDER BY id").fetchall()


def add_letter(sql: psycopg.Connection, order_id: UUID) -> int:
    """Write a dead letter about an email and return its id."""
    row = sql.execute(
        "INSERT INTO dead_letters"
        " (task, queue, order_id, payload, attempt, error_type, error, traceparent)"
        " VALUES ('send_order_email', 'emails', %s, '{\"kind\": \"confirmed\"}', 10,"
        " 'MailUnavailableError', 'MailUnavailableError: refused', %s) RETURNING id",
        (order_id, TRACEPARENT),
    ).fetchone()
    assert row is not None
    return int(row[0])
