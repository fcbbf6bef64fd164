"""The payment provider's ledger in one SQLite file, which survives a killed process."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_SECONDS = 5.0
CHARGE = "charge"
REFUND = "refund"
SUCCEEDED = "succeeded"
DECLINED = "declined"
VOIDED = "voided"

MOST_CENTS = 50_000_000
BAD_CARDS_ONE_IN = 50
BAD_CARD_PREFIX = "declined"

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    id           TEXT NOT NULL UNIQUE,
    order_id     TEXT NOT NULL,
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    reason       TEXT
);
CREATE INDEX IF NOT EXISTS entries_by_order ON entries (order_id, kind);
"""
COLUMNS = "seq, id, order_id, kind, state, amount_cents, reason"


class KeyReusedError(Exception):
    """An idempotency key that was used with another request."""


class VoidedError(Exception):
    """A charge that arrived after the refund of its order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    seq: int
    id: str
    order_id: str
    kind: str
    state: str
    amount_cents: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge that a client requests."""

    order_id: str
    customer_id: str
    amount_cents: int
    currency: str


def reason_to_decline(customer_id: str, amount_cents: int) -> str | None:
    """Return why a charge is declined, or None; the same charge always has the same answer.

    A customer whose id starts with `declined` has a bad card, and so has one in fifty of all
    customers, chosen by a hash of the id. No charge may exceed 500,000.00.
    """
    if amount_cents > MOST_CENTS:
        return "limit_exceeded"
    number = int.from_bytes(hashlib.sha256(customer_id.encode()).digest()[:4])
    if customer_id.startswith(BAD_CARD_PREFIX) or number % BAD_CARDS_ONE_IN == 0:
        return "card_declined"
    return None


class Ledger:
    """A ledger of charges and refunds, with one entry per idempotency key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as conn:
            conn.execute("PRAGMA journal_mode = WAL")
            conn.executescript(SCHEMA)

    def charge(self, key: str, charge: Charge) -> tuple[Entry, bool]:
        """Charge an order, or decline it.

        Returns:
            The entry, and whether the key had made it before.

        Raises:
            KeyReusedError: The key belongs to another request.
            VoidedError: The order was refunded before.
        """
        request_hash = _hash(CHARGE, charge)
        with self._transaction() as conn:
            if known := _known(conn, key, request_hash):
                return known, True
            if _find(conn, charge.order_id, REFUND):
                raise VoidedError
            reason = reason_to_decline(charge.customer_id, charge.amount_cents)
            state = DECLINED if reason else SUCCEEDED
            values = (charge.order_id, CHARGE, state, charge.amount_cents, reason)
            return _insert(conn, key, request_hash, values), False

    def refund(self, key: str, order_id: str) -> tuple[Entry, bool]:
        """Refund an order; without a charge, void it, so that none can follow.

        Returns:
            The entry, and whether the key had made it before.

        Raises:
            KeyReusedError: The key belongs to another request.
        """
        request_hash = _hash(REFUND, order_id)
        with self._transaction() as conn:
            if known := _known(conn, key, request_hash):
                return known, True
            charged = [e for e in _find(conn, order_id, CHARGE) if e.state == SUCCEEDED]
            state = SUCCEEDED if charged else VOIDED
            amount = sum(entry.amount_cents for entry in charged)
            values = (order_id, REFUND, state, amount, None)
            return _insert(conn, key, request_hash, values), False

    def page(self, after: int, limit: int) -> list[Entry]:
        """Return entries behind a sequence number, oldest first."""
        with self._transaction() as conn:
            query = f"SELECT {COLUMNS} FROM entries WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
            return [Entry(*row) for row in conn.execute(query, (after, limit))]

    def totals(self) -> dict[tuple[str, str], int]:
        """Return how many entries there are by kind and state."""
        with self._transaction() as conn:
            rows = conn.execute("SELECT kind, state, count(*) FROM entries GROUP BY kind, state")
            return {(kind, state): count for kind, state, count in rows}

    def _connect(self) -> sqlite3.Connection:
        conn = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        conn.execute("PRAGMA synchronous = NORMAL")
        return conn

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as conn:
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield conn
            except BaseException:
                conn.execute("ROLLBACK")
                raise
            conn.execute("COMMIT")


def _hash(kind: str, request: Any) -> str:
    return hashlib.sha256(f"{kind} {request!r}".encode()).hexdigest()


def _known(conn: sqlite3.Connection, key: str, request_hash: str) -> Entry | None:
    query = f"SELECT request_hash, {COLUMNS} FROM entries WHERE key = ?"  # noqa: S608
    row = conn.execute(query, (key,)).fetchone()
    if row is None:
        return None
    if row[0] != request_hash:
        raise KeyReusedError
    return Entry(*row[1:])


def _find(conn: sqlite3.Connection, order_id: str, kind: str) -> list[Entry]:
    query = f"SELECT {COLUMNS} FROM entries WHERE order_id = ? AND kind = ?"  # noqa: S608
    return [Entry(*row) for row in conn.execute(query, (order_id, kind))]


def _insert(
    conn: sqlite3.Connection, key: str, request_hash: str, values: tuple[Any, ...]
) -> Entry:
    entry_id = str(uuid.uuid4())
    cursor = conn.execute(
        "INSERT INTO entries (key, request_hash, id, order_id, kind, state, amount_cents, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (key, request_hash, entry_id, *values),
    )
    return Entry(cursor.lastrowid or 0, entry_id, *values)
