"""The errors of an order.

    OrderError
    ├── OrderNotFoundError          there is no such order
    ├── InvalidTransitionError      the order's status forbids the change
    ├── IdempotencyKeyReusedError   the key was used with another request
    ├── InvalidCursorError          the cursor of a page was not made by this service
    ├── TooManyRequestsError        a client exceeded its rate limit
    └── StoreUnavailableError       the database does not answer in time

Errors carry data; `web/problems.py` maps them to HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


class OrderError(Exception):
    """Base class of all errors of this package."""


class OrderNotFoundError(OrderError):
    """An order that does not exist."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"there is no order {order_id}")
        self.order_id = order_id


class InvalidTransitionError(OrderError):
    """A status that the order cannot change to."""

    def __init__(self, order_id: UUID, current: str, wanted: str) -> None:
        super().__init__(f"order {order_id} is {current} and cannot become {wanted}")
        self.order_id = order_id
        self.current = current
        self.wanted = wanted


class IdempotencyKeyReusedError(OrderError):
    """An idempotency key that was used with another request."""

    def __init__(self) -> None:
        super().__init__("this idempotency key was used with another request")


class InvalidCursorError(OrderError):
    """A cursor that this service did not make."""

    def __init__(self) -> None:
        super().__init__("the cursor was not made by this service")


class TooManyRequestsError(OrderError):
    """A request beyond its client's rate limit."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many requests; retry in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class StoreUnavailableError(OrderError):
    """A database that did not answer in time; a write may or may not have been committed."""

    retry_after_seconds = 1

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(f"the database is not available: {reason}")
        self.reason = reason
        self.busy = busy
