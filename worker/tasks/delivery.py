"""A delivery: the content of one message from the broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at the task of an outbox row.

    Args:
        row: Id of the outbox row.
        attempt: The attempt that was sent, from 1.
    """

    task: str
    row: int
    attempt: int
    order_id: UUID
    payload: Mapping[str, Any]


def message_id(row: int, attempt: int) -> str:
    """Return the id of the message that is sent for an attempt of a row."""
    return f"outbox-{row}-{attempt}"
