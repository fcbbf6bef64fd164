"""Reconcile the books: orders, charges, refunds and emails, each read from its own system.

Pure: takes what was read and returns the account with every difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One line of the provider's ledger."""

    order_id: str
    kind: str
    state: str


@dataclass
class Books:
    """The records of each system.

    Args:
        accepted: Orders that the API confirmed to customers.
        orders: Status by order, from the database.
        ledger: The payment provider's entries.
        sent: (order, kind) of emails recorded as sent in the database.
        received: Message-IDs in the customers' mailboxes, duplicates included.
        dead_letters: Tasks that failed for good.
        outbox: The order of each row that is left over.
    """

    accepted: set[str]
    orders: Mapping[str, str]
    ledger: Iterable[Entry]
    sent: set[tuple[str, str]]
    received: Iterable[str]
    dead_letters: int = 0
    outbox: Sequence[str] = ()


@dataclass
class Account:
    """The result of a reconciliation; `differences` must be empty.

    Args:
        lost: Accepted orders that are gone, or that wait although no work on them is left.
        pending: Orders that wait for work that is left in the outbox.
    """

    accepted: int = 0
    confirmed: int = 0
    payment_failed: int = 0
    cancelled: int = 0
    charged: int = 0
    refunded: int = 0
    mailed: int = 0
    mail_duplicates: int = 0
    lost: int = 0
    pending: int = 0
    double: int = 0
    differences: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the account as JSON."""
        return asdict(self)


def compare(books: Books, most_copies: int) -> Account:
    """Reconcile the books.

    Args:
        most_copies: How many duplicate emails the kills may explain.
    """
    charges = Counter(e.order_id for e in books.ledger if (e.kind, e.state) == SUCCEEDED_CHARGE)
    refunds = Counter(e.order_id for e in books.ledger if (e.kind, e.state) == SUCCEEDED_REFUND)
    states = Counter(books.orders.values())
    mails = Counter(books.received)
    account = Account(
        accepted=len(books.accepted),
        confirmed=states["confirmed"],
        payment_failed=states["payment_failed"],
        cancelled=states["cancelled"],
        charged=sum(charges.values()),
        refunded=sum(refunds.values()),
        mailed=len(mails),
        mail_duplicates=sum(mails.values()) - len(mails),
    )
    _find_lost(account, books)
    _compare_money(account, books, charges, refunds)
    _compare_mails(account, books, set(mails), most_copies)
    return account


SUCCEEDED_CHARGE = ("charge", "succeeded")
SUCCEEDED_REFUND = ("refund", "succeeded")


def _find_lost(account: Account, books: Books) -> None:
    missing = dict.fromkeys(books.accepted - set(books.orders), "is not in the database")
    pending = {order for order, status in books.orders.items() if status == "pending"}
    waiting = pending & set(books.outbox)
    stuck = dict.fromkeys(pending - waiting, "is pending, and no work on it is left")
    account.pending, account.lost = len(waiting), len(missing | stuck)
    account.differences += [f"order {order} {what}" for order, what in (missing | stuck).items()]
    account.differences += [f"order {order} is still pending" for order in waiting]
    unknown = set(books.orders) - books.accepted
    account.differences += [f"order {order} was never confirmed to a customer" for order in unknown]
    if books.dead_letters:
        account.differences.append(f"{books.dead_letters} tasks are dead letters")
    if books.outbox:
        account.differences.append(f"{len(books.outbox)} outbox rows are left")


def _compare_money(
    account: Account, books: Books, charges: Counter[str], refunds: Counter[str]
) -> None:
    for what, moved in (("charged", charges), ("refunded", refunds)):
        doubles = [order for order, times in moved.items() if times > 1]
        account.double += len(doubles)
        account.differences += [
            f"order {order} was {what} {moved[order]} times" for order in doubles
        ]
        unknown = set(moved) - set(books.orders)
        account.differences += [f"unknown order {order} was {what}" for order in unknown]
    for order, status in books.orders.items():
        balance = charges[order] - refunds[order]
        expected = 1 if status == "confirmed" else 0
        if balance != expected and status != "pending":
            account.differences.append(
                f"order {order} is {status}, but was charged {charges[order]} times"
                f" and refunded {refunds[order]} times"
            )


def _compare_mails(account: Account, books: Books, received: set[str], most_copies: int) -> None:
    sent = {f"{order}.{kind}" for order, kind in books.sent}
    got = {identifier.partition("@")[0] for identifier in received}
    due = {f"{o}.{status}" for o, status in books.orders.items() if status != "pending"}
    account.differences += [
        f"email {mail} was never received" for mail in sorted((due | sent) - got)
    ]
    account.differences += [f"email {mail} is not in the database" for mail in sorted(got - sent)]
    if account.mail_duplicates > most_copies:
        account.differences.append(
            f"{account.mail_duplicates} duplicate emails: expected at most {most_copies}"
        )
