"""Find mails that the SMTP sink received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.store import rows
from local.store.queries.conditions import Conditions
from local.store.queries.deadline import bounded

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True)
class MailSearch:
    """The conditions of a mail search; an empty one matches every mail."""

    to: str = ""
    subject: str = ""
    text: str = ""
    message_id: str = ""
    trace_id: str = ""
    order_id: str = ""
    start: int = 0
    limit: int = 100


@bounded
def search_mails(
    connection: sqlite3.Connection, search: MailSearch
) -> tuple[list[dict[str, Any]], int]:
    """Return the matching mails, newest first, and the total number of matches."""
    conditions = Conditions()
    for column in ("message_id", "trace_id", "order_id"):
        value = getattr(search, column)
        if value:
            conditions.add(f"{column} = ?", value)
    for column, value in (
        ("recipients", search.to),
        ("subject", search.subject),
        ("(subject || ' ' || text || ' ' || recipients)", search.text),
    ):
        if value:
            conditions.contains(column, value)
    where, values = conditions.where(), conditions.values
    total = connection.execute(f"SELECT count(*) FROM mails{where}", values).fetchone()[0]  # noqa: S608 - values are bound
    found = connection.execute(
        f"SELECT * FROM mails{where} ORDER BY id DESC LIMIT ? OFFSET ?",  # noqa: S608 - values are bound
        [*values, search.limit, search.start],
    )
    return [rows.read_mail(row) for row in found], int(total)


@bounded
def read_mail(connection: sqlite3.Connection, mail_id: int) -> dict[str, Any] | None:
    """Return one mail, or None if it is unknown."""
    row = connection.execute("SELECT * FROM mails WHERE id = ?", (mail_id,)).fetchone()
    return rows.read_mail(row) if row else None
