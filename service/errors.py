"""Name everything that can go wrong with an order.

    OrderError
    ├── OrderNotFoundError          there is no such order
    ├── InvalidTransitionError      the order's status forbids the change
    ├── IdempotencyKeyReusedError   the key was used with another request
    ├── InvalidCursorError          a page's cursor was not made by us
    ├── TooManyRequestsError        a client asked more often than it may
    └── StoreUnavailableError       the database does not answer in time

Errors carry data; what they mean in HTTP stands in `api.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


class OrderError(Exception):
    """Be the base of all errors of this package."""


class OrderNotFoundError(OrderError):
    """Say that there is no such order."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"there is no order {order_id}")
        self.order_id = order_id


class InvalidTransitionError(OrderError):
    """Say that an order cannot change to the wanted status."""

    def __init__(self, order_id: UUID, current: str, wanted: str) -> None:
        super().__init__(f"order {order_id} is {current} and cannot become {wanted}")
        self.order_id = order_id
        self.current = current
        self.wanted = wanted


class IdempotencyKeyReusedError(OrderError):
    """Say that an idempotency key came again with another request."""

    def __init__(self) -> None:
        super().__init__("this idempotency key was used with another request")


class InvalidCursorError(OrderError):
    """Say that a cursor was not made by this service."""

    def __init__(self) -> None:
        super().__init__("the cursor is not one of ours")


class TooManyRequestsError(OrderError):
    """Say that a client must wait before its next request."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many requests; come back in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class StoreUnavailableError(OrderError):
    """Say that the database could not answer in time; nothing is known to be written."""

    retry_after_seconds = 1

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(f"the database is not available: {reason}")
        self.reason = reason
        self.busy = busy
