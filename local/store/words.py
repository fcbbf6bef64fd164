"""The words by which spans and log lines are found at any age.

A row has up to eight: `order_id=…` for each attribute whose name ends in `id` (`order.id`,
`order_uuid`, `orderId`), `failed` for an HTTP status of 400 or more, and for a log line `text=7`,
the number of its body's template. Imported by the writer, which stores them, and by the queries.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from observability.instrumentation.semconv import ATTR_HTTP_RESPONSE_STATUS_CODE

if TYPE_CHECKING:
    import sqlite3

    from local.store.model import Attributes

# Words of one row; their ids in the table follow from the row's.
MOST_WORDS = 8
LONGEST_WORD = 200
FAILED = "failed"
FAILED_FROM = 400
# The last word of a row that has more: every search by a word looks at these rows too.
MORE = "more"
INSERT = "INSERT OR IGNORE INTO {}_words VALUES (?, ?, ?)"
MOST_TEMPLATES = 5_000
LONGEST_TEMPLATE = 160
# The number of bodies whose template is not stored, and the end of a template that was cut.
OTHER_TEMPLATE = 0
CUT = "…"
_VARIABLE = re.compile(r"[0-9a-fA-F-]{16,}|\d+")
_NAMES_AN_ID = re.compile(r"(?:^|[\W_])(?i:(?:uu|gu)?id)$|[a-z0-9](?:Uu)?I[dD]$")
# SQLite's lower() leaves all but ASCII as it is.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_NOT_A_LABEL = re.compile(r"\W")


def label_of(attribute: str) -> str:
    """Return the name of an attribute as a label: `order.id` is `order_id`."""
    return _NOT_A_LABEL.sub("_", attribute)


@lru_cache(4096)
def identifying(attribute: str) -> str:
    """Return the label of an attribute that identifies something, empty for any other."""
    return label_of(attribute) if _NAMES_AN_ID.search(attribute[-200:]) else ""


def word_of(label: str, value: str) -> str:
    """Return the word of an identifying label; a long one is cut."""
    return f"{label}={value}"[:LONGEST_WORD]


def rows_of(
    row_id: int, time_ns: int, attributes: Attributes, *first: str
) -> list[tuple[int, str, int]]:
    """Return the values of INSERT for each word of a row."""
    words = list(first)
    status = attributes.get(ATTR_HTTP_RESPONSE_STATUS_CODE)
    if isinstance(status, int | float) and status >= FAILED_FROM:
        words.append(FAILED)
    for name, value in attributes.items():
        if label := identifying(name):
            words += [word_of(label, text) for text in _texts(value)]
    if len(words) > MOST_WORDS:
        words[MOST_WORDS - 1 :] = [MORE]
    base = row_id * MOST_WORDS
    return [(base + number, word, time_ns) for number, word in enumerate(words)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    elements = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    return [*elements, orjson.dumps(value, default=str).decode()]


class Templates:
    """The bodies of log lines without their numbers and ids, each with a number.

    Args:
        connection: The writer's; new templates are part of its transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.reload()

    def reload(self) -> None:
        """Read the stored templates again, after a transaction that was rolled back."""
        self._numbers = dict(self._connection.execute("SELECT text, id FROM templates"))

    def word(self, body: str) -> str:
        """Return the word of a body; it stores a template that is new."""
        text = template_of(body)
        number = self._numbers.get(text)
        if number is None:
            if len(self._numbers) >= MOST_TEMPLATES:
                return text_word(OTHER_TEMPLATE)
            insert = "INSERT INTO templates VALUES (NULL, ?)"
            number = self._numbers[text] = self._connection.execute(insert, (text,)).lastrowid
        return text_word(number or OTHER_TEMPLATE)


def text_word(number: int) -> str:
    """Return the word of the lines with this template."""
    return f"text={number}"


def template_of(body: str) -> str:
    """Return a body with `0` for each number and each long hexadecimal id."""
    text = _VARIABLE.sub("0", body[:LONGEST_TEMPLATE])
    return text + CUT if len(body) > LONGEST_TEMPLATE else text


def constant_part(text: str) -> str:
    """Return the part of a searched text that a template contains if the body contains the text.

    Empty if there is none: a number or an id in it, or nothing but characters of ids.
    """
    part = text.strip("0123456789abcdefABCDEF-")
    return part if _VARIABLE.sub("0", part) == part else ""


def template_words(connection: sqlite3.Connection, part: str, most: int) -> list[str] | None:
    """Return the words of all lines that can contain a constant part, in any case of ASCII.

    None if there are more than `most` templates.
    """
    found = connection.execute(
        f"SELECT id FROM templates WHERE instr(lower(text), ?) OR text LIKE '%{CUT}' LIMIT ?",  # noqa: S608 - a constant
        (part.translate(_LOWER), most + 1),
    ).fetchall()
    words = [text_word(row[0]) for row in found]
    return [*words, text_word(OTHER_TEMPLATE)] if len(words) <= most else None
