"""The payments: requests to the payment provider, and its responses.

All SQL about the table is here, each function inside the caller's transaction, with the order's row
locked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection


class PaymentKind(StrEnum):
    """The two movements of money."""

    CHARGE = "charge"
    REFUND = "refund"


class PaymentState(StrEnum):
    """The states of a payment; `started` means that the provider may have received it."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Payment:
    """One movement of money for one order."""

    order_id: UUID
    kind: PaymentKind
    state: PaymentState
    provider_reference: str | None


def find(conn: Connection[Any], order_id: UUID, kind: PaymentKind) -> Payment | None:
    """Return a payment, or None before it was started."""
    row = conn.execute(
        "SELECT state, provider_reference FROM payments WHERE order_id = %s AND kind = %s",
        (order_id, kind),
    ).fetchone()
    return Payment(order_id, kind, PaymentState(row[0]), row[1]) if row else None


def start(conn: Connection[Any], order_id: UUID, kind: PaymentKind) -> Payment:
    """Record the intent before the provider is called; return the payment as it is then."""
    conn.execute(
        "INSERT INTO payments (order_id, kind, state) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (order_id, kind, PaymentState.STARTED),
    )
    found = find(conn, order_id, kind)
    if found is None:
        raise LookupError(f"{kind} of {order_id} vanished while its order was locked")
    return found


def finish(
    conn: Connection[Any],
    order_id: UUID,
    kind: PaymentKind,
    state: PaymentState,
    provider_reference: str | None,
) -> None:
    """Record the provider's answer."""
    conn.execute(
        "UPDATE payments SET state = %s, provider_reference = %s, updated_at = now()"
        " WHERE order_id = %s AND kind = %s",
        (state, provider_reference, order_id, kind),
    )
