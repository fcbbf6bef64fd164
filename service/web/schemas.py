"""The requests that clients may send, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.orders import Currency, Item

# The characters beyond [A-Za-z0-9] occur in ids of other systems.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"
KEY_PATTERN = r"^[!-~]{1,255}$"
CURSOR_PATTERN = r"^[0-9a-f]{45}$"
MOST_ITEMS = 50
MOST_QUANTITY = 1000
MOST_UNIT_PRICE_CENTS = 10_000_000
DEFAULT_PAGE = 20
LARGEST_PAGE = 100


def _whole(value: Any) -> Any:
    """Return 2.0 as 2: to JSON both are the same whole number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
Identifier = Annotated[str, Field(pattern=ID_PATTERN, strict=True)]


class Body(BaseModel):
    """Base class of JSON bodies: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemBody(Body):
    """One line of an order."""

    sku: Identifier = Field(examples=["tea-green-100g"])
    quantity: WholeNumber = Field(ge=1, le=MOST_QUANTITY)
    unit_price_cents: WholeNumber = Field(
        ge=0, le=MOST_UNIT_PRICE_CENTS, description="Hundredths of the currency."
    )


class OrderBody(Body):
    """A new order."""

    customer_id: Identifier = Field(examples=["customer-42"])
    currency: Currency
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=MOST_ITEMS)]

    def to_items(self) -> list[Item]:
        """Return the lines as items of the domain."""
        return [Item(i.sku, i.quantity, i.unit_price_cents) for i in self.items]


class PageQuery(BaseModel):
    """The query parameters of a list of orders."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer_id: str = Field(pattern=ID_PATTERN)
    limit: int = Field(default=DEFAULT_PAGE, ge=1, le=LARGEST_PAGE)
    cursor: str | None = Field(default=None, pattern=CURSOR_PATTERN)


class OrderHeaders(BaseModel):
    """The headers of a new order."""

    key: str | None = Field(default=None, pattern=KEY_PATTERN, alias="Idempotency-Key")
