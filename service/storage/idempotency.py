"""Idempotency keys: a request that is repeated gets the first response again.

A key is claimed in the transaction that does the work, so work and response are committed together
or not at all. Every function works inside the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Json

from service.errors import IdempotencyKeyReusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from psycopg import Connection

# How long a key repeats its first response.
KEY_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key, a hash of its request, and the response to repeat from now on."""

    key: str
    request_hash: bytes
    status_code: int
    response: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The first response to a key."""

    status_code: int
    response: dict[str, Any]


def purge_expired_keys(conn: Connection[Any], limit: int = 1000) -> int:
    """Delete expired keys; return how many there were."""
    return conn.execute(
        "DELETE FROM idempotency_keys WHERE expires_at < now() AND key IN ("
        " SELECT key FROM idempotency_keys WHERE expires_at < now()"
        " ORDER BY expires_at LIMIT %s)",
        (limit,),
    ).rowcount


# Waits while another transaction holds the same key, then sees what that one committed.
_CLAIM_KEY = """
INSERT INTO idempotency_keys AS held
    (key, request_hash, order_id, status_code, response, created_at, expires_at)
VALUES (%s, %s, %s, %s, %s, now(), now() + %s)
ON CONFLICT (key) DO UPDATE SET
    request_hash = excluded.request_hash, order_id = excluded.order_id,
    status_code = excluded.status_code, response = excluded.response,
    created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE held.expires_at < now()
RETURNING 1
"""


def claim_key(conn: Connection[Any], key: IdempotencyKey, order_id: UUID) -> Answer | None:
    """Claim a key, or return its first response.

    Raises:
        IdempotencyKeyReusedError: The key belongs to another request.
    """
    values = (key.key, key.request_hash, order_id, key.status_code, Json(key.response))
    if conn.execute(_CLAIM_KEY, (*values, KEY_LIFETIME)).fetchone():
        return None
    row = conn.execute(
        "SELECT request_hash, status_code, response FROM idempotency_keys WHERE key = %s",
        (key.key,),
    ).fetchone()
    if row is None or bytes(row[0]) != key.request_hash:
        raise IdempotencyKeyReusedError
    return Answer(row[1], row[2])
