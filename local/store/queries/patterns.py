"""The regular expressions of queries, in linear time: RE2's language, as in Loki and Tempo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from local.store.errors import BadQueryError

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_PATTERN = 2_000
# Of one pattern's program and its automaton.
PATTERN_BYTES = 2**20
_LITERAL = re.compile(r"(?:[\w ,:;=@/%&\"'<>!~`#-]|\\[^\w\s])*")
# What Perl and Python know and RE2 does not: RE2's sentence names the operator, this the construct.
_UNKNOWN = {"(?=": "look-ahead", "(?!": "look-ahead", "(?<=": "look-behind", "(?<!": "look-behind"}
_BACK_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*\\[1-9]|\(\?P=")


def finder(text: str, *, whole: bool) -> Callable[[str], bool]:
    """Return a test of a text against a regular expression.

    Args:
        text: The expression, in RE2's language.
        whole: It must match the whole text, in which `.` also matches a line's end.

    Raises:
        BadQueryError: It is malformed or too long, or uses what RE2 does not know.
    """
    if len(text) > LONGEST_PATTERN:
        raise BadQueryError(
            f"a regular expression has at most {LONGEST_PATTERN} characters, not {len(text)}"
        )
    options = re2.Options()
    options.max_mem = PATTERN_BYTES
    options.log_errors = False
    options.dot_nl = whole
    options.never_capture = True
    try:
        pattern = re2.compile(text.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadQueryError(f"regular expression {text[:200]!r}: {_reason(text, error)}") from None
    # The module keeps the last 128 patterns, each up to PATTERN_BYTES, for as long as it runs.
    re2.purge()
    match = pattern.fullmatch if whole else pattern.search
    return lambda value: match(value.encode(errors="replace")) is not None


def _reason(text: str, error: Exception) -> str:
    said = error.args[0]
    reason = said.decode(errors="replace") if isinstance(said, bytes) else str(error)
    unknown = [name for operator, name in _UNKNOWN.items() if operator in text]
    if _BACK_REFERENCE.search(text):
        unknown.append("back-references")
    return f"{reason}. RE2 has no {unknown[0]}" if unknown else reason


def literal_prefix(text: str) -> tuple[str, str]:
    """Return the text with which every whole match begins, and the rest of the expression."""
    if "|" in text:
        return "", text
    prefix = _LITERAL.match(text)[0]  # type: ignore[index]
    rest = text[len(prefix) :]
    if rest[:1] in ("*", "?", "{", "+"):
        kept = re.sub(r"(?:\\.|.)$", "", prefix, flags=re.DOTALL)
        prefix, rest = kept, text[len(kept) :]
    return re.sub(r"\\(.)", r"\1", prefix), rest


def literal_choices(text: str) -> list[str] | None:
    """Return the values that `a|b` or `(a|b)` matches as a whole, None for other expressions."""
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    choices = []
    for part in inner.split("|"):
        prefix, rest = literal_prefix(part)
        if rest:
            return None
        choices.append(prefix)
    return choices
