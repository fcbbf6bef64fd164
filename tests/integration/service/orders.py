"""What the tests order."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

TEA = {"sku": "tea-green-100g", "quantity": 2, "unit_price_cents": 450}


def an_order(**changes: Any) -> dict[str, Any]:
    return {"customer_id": "ada", "currency": "EUR", "items": [dict(TEA)], **changes}


def place(client: FlaskClient, *, key: str | None = None, **changes: Any) -> Any:
    """Place an order and return the answer."""
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/v1/orders", json=an_order(**changes), headers=headers)


def place_one(client: FlaskClient, **changes: Any) -> str:
    """Place an order that must be accepted; return its id."""
    answer = place(client, **changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])
