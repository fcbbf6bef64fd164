from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import orders
from service.errors import InvalidTransitionError
from service.orders import Currency, Item, Order, OrderStatus

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def an_order(*items: Item) -> Order:
    order_id = UUID("11111111-1111-4111-8111-111111111111")
    return orders.place(order_id, "ada", items or [Item("tea", 2, 450)], Currency.EUR, NOW)


def test_a_new_order_waits_for_its_payment() -> None:
    order = an_order()

    assert order.status is OrderStatus.PENDING
    assert order.version == 1
    assert order.total_cents == 900


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 10_000_000)), min_size=1))
def test_the_total_is_the_sum_of_quantity_times_price(lines: list[tuple[int, int]]) -> None:
    order = an_order(*(Item("tea", quantity, price) for quantity, price in lines))

    assert order.total_cents == sum(quantity * price for quantity, price in lines)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (Order.confirm, OrderStatus.CONFIRMED),
        (Order.fail_payment, OrderStatus.PAYMENT_FAILED),
        (Order.cancel, OrderStatus.CANCELLED),
    ],
)
def test_a_pending_order_may_become_anything_else(change, status: OrderStatus) -> None:
    changed = change(an_order(), LATER)

    assert (changed.status, changed.version, changed.updated_at) == (status, 2, LATER)
    assert changed.created_at == NOW


def test_a_confirmed_order_may_only_be_cancelled() -> None:
    confirmed = an_order().confirm(NOW)

    assert [status for status in OrderStatus if confirmed.may_become(status)] == [
        OrderStatus.CANCELLED
    ]


@pytest.mark.parametrize("end", [Order.fail_payment, Order.cancel])
@pytest.mark.parametrize("change", [Order.confirm, Order.fail_payment, Order.cancel])
def test_a_finished_order_never_changes(end, change) -> None:
    with pytest.raises(InvalidTransitionError):
        change(end(an_order(), NOW), LATER)
