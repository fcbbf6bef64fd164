"""The emails that were sent: at most one of each kind per order.

All SQL about the table is here, each function inside the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection


def is_sent(conn: Connection[Any], order_id: UUID, kind: str) -> bool:
    """Return whether an email of this kind is known to be sent."""
    row = conn.execute(
        "SELECT 1 FROM emails WHERE order_id = %s AND kind = %s", (order_id, kind)
    ).fetchone()
    return row is not None


def add(conn: Connection[Any], order_id: UUID, kind: str, message_id: str) -> None:
    """Record that an email is sent; a second record of it changes nothing."""
    conn.execute(
        "INSERT INTO emails (order_id, kind, message_id) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (order_id, kind, message_id),
    )
