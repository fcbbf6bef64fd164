"""The reconciliation of a chaos run finds every kind of difference."""

from __future__ import annotations

import dataclasses

import pytest

from tools.chaos.books import Books, Entry, compare

GOOD = Books(
    accepted={"a", "b", "c", "d"},
    orders={"a": "confirmed", "b": "cancelled", "c": "payment_failed", "d": "cancelled"},
    ledger=[
        Entry("a", "charge", "succeeded"),
        Entry("b", "charge", "succeeded"),
        Entry("b", "refund", "succeeded"),
        Entry("c", "charge", "declined"),
        Entry("d", "refund", "voided"),
    ],
    sent={
        ("a", "confirmed"),
        ("b", "confirmed"),
        ("b", "cancelled"),
        ("c", "payment_failed"),
        ("d", "cancelled"),
    },
    received=["a.confirmed@x", "b.confirmed@x", "b.cancelled@x", "c.payment_failed@x",
              "d.cancelled@x", "a.confirmed@x"],
)  # fmt: skip


def test_books_that_agree_have_no_difference_and_duplicate_emails_are_counted():
    account = compare(GOOD, most_copies=1)
    assert account.differences == []
    assert (account.accepted, account.confirmed, account.cancelled) == (4, 1, 2)
    assert (account.charged, account.refunded) == (2, 1)
    assert (account.mailed, account.mail_duplicates) == (5, 1)
    assert (account.lost, account.double) == (0, 0)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"accepted": {*"abcde"}}, "order e is not in the database"),
        ({"accepted": {*"abc"}}, "order d was never confirmed to a customer"),
        (
            {"orders": {**GOOD.orders, "a": "pending"}},
            "order a is pending, and no work on it is left",
        ),
        (
            {"orders": {**GOOD.orders, "a": "pending"}, "outbox": ["a"]},
            "order a is still pending",
        ),
        (
            {"ledger": [*GOOD.ledger, Entry("a", "charge", "succeeded")]},
            "order a was charged 2 times",
        ),
        (
            {"ledger": [*GOOD.ledger, Entry("z", "charge", "succeeded")]},
            "unknown order z was charged",
        ),
        (
            {"ledger": GOOD.ledger[1:]},
            "order a is confirmed, but was charged 0 times and refunded 0 times",
        ),
        (
            {"ledger": [e for e in GOOD.ledger if e != Entry("b", "refund", "succeeded")]},
            "order b is cancelled, but was charged 1 times and refunded 0 times",
        ),
        ({"received": GOOD.received[1:5]}, "email a.confirmed was never received"),
        (
            {"sent": {*GOOD.sent} - {("d", "cancelled")}},
            "email d.cancelled is not in the database",
        ),
        (
            {"received": [*GOOD.received, "a.confirmed@x"]},
            "2 duplicate emails: expected at most 1",
        ),
        ({"dead_letters": 3}, "3 tasks are dead letters"),
        ({"outbox": ["a", "a"]}, "2 outbox rows are left"),
    ],
)
def test_every_kind_of_difference_is_found(change, difference):
    assert difference in compare(dataclasses.replace(GOOD, **change), most_copies=1).differences


def test_lost_and_double_orders_are_counted():
    lost = dataclasses.replace(GOOD, accepted={*"abcde"}, orders={**GOOD.orders, "a": "pending"})
    assert compare(lost, 1).lost == 2
    double = dataclasses.replace(GOOD, ledger=[*GOOD.ledger, *GOOD.ledger])
    assert compare(double, 1).double == 3


def test_an_order_that_waits_for_work_is_pending_and_one_without_work_is_lost():
    orders = {**GOOD.orders, "a": "pending", "b": "pending"}
    change = {"orders": orders, "outbox": ["b", "c"], "accepted": {*GOOD.accepted, "e"}}
    account = compare(dataclasses.replace(GOOD, **change), most_copies=1)
    assert (account.lost, account.pending) == (2, 1)
