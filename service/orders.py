"""The domain: what an order is, what it costs and which status may follow.

Pure: no clock, no socket, no telemetry. Callers bring the time and the id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from service.errors import InvalidTransitionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID


class OrderStatus(StrEnum):
    """The statuses of an order."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    PAYMENT_FAILED = "payment_failed"
    CANCELLED = "cancelled"


class Currency(StrEnum):
    """The currencies that are accepted; all have hundredths."""

    EUR = "EUR"
    GBP = "GBP"
    USD = "USD"


NEXT = {
    OrderStatus.PENDING: frozenset(
        {OrderStatus.CONFIRMED, OrderStatus.PAYMENT_FAILED, OrderStatus.CANCELLED}
    ),
    OrderStatus.CONFIRMED: frozenset({OrderStatus.CANCELLED}),
    OrderStatus.PAYMENT_FAILED: frozenset[OrderStatus](),
    OrderStatus.CANCELLED: frozenset[OrderStatus](),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order.

    Args:
        sku: What is ordered.
        quantity: How many; at least 1.
        unit_price_cents: Price of one, in hundredths of the currency.
    """

    sku: str
    quantity: int
    unit_price_cents: int


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it was at a moment.

    Args:
        total_cents: Sum of all items in hundredths of the currency.
        version: 1 when placed, one more with every change.
    """

    id: UUID
    customer_id: str
    items: tuple[Item, ...]
    currency: Currency
    total_cents: int
    status: OrderStatus
    created_at: datetime
    updated_at: datetime
    version: int

    def may_become(self, wanted: OrderStatus) -> bool:
        """Return whether the status may change to the wanted one."""
        return wanted in NEXT[self.status]

    def confirm(self, now: datetime) -> Order:
        """Return the order as paid."""
        return self._become(OrderStatus.CONFIRMED, now)

    def fail_payment(self, now: datetime) -> Order:
        """Return the order with a failed payment."""
        return self._become(OrderStatus.PAYMENT_FAILED, now)

    def cancel(self, now: datetime) -> Order:
        """Return the order as cancelled by the customer."""
        return self._become(OrderStatus.CANCELLED, now)

    def _become(self, wanted: OrderStatus, now: datetime) -> Order:
        if not self.may_become(wanted):
            raise InvalidTransitionError(self.id, self.status, wanted)
        return replace(self, status=wanted, updated_at=now, version=self.version + 1)


def total_cents(items: Sequence[Item]) -> int:
    """Return the price of all items in hundredths of their currency."""
    return sum(item.quantity * item.unit_price_cents for item in items)


def place(
    order_id: UUID, customer_id: str, items: Sequence[Item], currency: Currency, now: datetime
) -> Order:
    """Return a new order that waits for its payment."""
    return Order(
        id=order_id,
        customer_id=customer_id,
        items=tuple(items),
        currency=currency,
        total_cents=total_cents(items),
        status=OrderStatus.PENDING,
        created_at=now,
        updated_at=now,
        version=1,
    )
