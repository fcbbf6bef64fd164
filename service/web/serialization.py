"""Orders as the JSON that clients read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from service.orders import Order

Document = dict[str, Any]


def to_document(order: Order) -> Document:
    """Return the order as a JSON object."""
    return {
        "id": str(order.id),
        "customer_id": order.customer_id,
        "status": order.status.value,
        "items": [
            {"sku": i.sku, "quantity": i.quantity, "unit_price_cents": i.unit_price_cents}
            for i in order.items
        ],
        "currency": order.currency.value,
        "total_cents": order.total_cents,
        "created_at": to_timestamp(order.created_at),
        "updated_at": to_timestamp(order.updated_at),
        "version": order.version,
    }


def to_timestamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, to the microsecond."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def to_json(order: Order) -> bytes:
    """Return the order as JSON text."""
    return orjson.dumps(to_document(order))
