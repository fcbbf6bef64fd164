"""Split LogQL and TraceQL into tokens, and match values as both languages do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from local.store.errors import BadQueryError

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
  | (?P<duration>\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d)(?:\d+(?:ms|s|m|h))*)
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_.][\w.:/-]*)
  | (?P<op>=~|!~|!=|==|>=|<=|&&|\|\||\|=|\|~|>>|<<|[{}()\[\],|=<>!~])
    )""",
    re.VERBOSE,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
MATCHERS = ("=", "!=", "=~", "!~")


class Token(NamedTuple):
    """One token of a query."""

    kind: str
    text: str


class Tokens:
    """The tokens of a query, read from left to right.

    Raises:
        BadQueryError: A part of the text is not a token; the message shows which.
    """

    def __init__(self, language: str, text: str) -> None:
        self._language = language
        self._tokens: list[Token] = []
        self._at = 0
        position = 0
        text = text.strip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found or found.lastgroup is None:
                raise BadQueryError(f"{language}: cannot read {text[position : position + 30]!r}")
            self._tokens.append(Token(found.lastgroup, found[found.lastgroup]))
            position = found.end()

    def peek(self) -> str:
        """Return the next token's text; empty at the end."""
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def take(self, *kinds: str) -> Token:
        """Consume the next token, which must be of one of these kinds, and return it."""
        token = self._tokens[self._at] if self._at < len(self._tokens) else Token("end", "the end")
        if kinds and token.kind not in kinds:
            raise self.outside(f"expected a {' or '.join(kinds)}, found {token.text!r}")
        self._at += 1
        return token

    def accept(self, *texts: str) -> str:
        """Consume the next token if it is one of these; return its text, else an empty one."""
        text = self.peek()
        if text and text in texts:
            self._at += 1
            return text
        return ""

    def expect(self, text: str) -> None:
        """Consume the next token, which must be this one."""
        if not self.accept(text):
            raise self.outside(f"expected {text!r}, found {self.peek() or 'the end'!r}")

    def outside(self, reason: str) -> BadQueryError:
        """Return the error for a query that the local mode does not support."""
        return BadQueryError(
            f"{self._language}: {reason}. The local mode supports a part of the language"
        )


def unquote(token: Token) -> str:
    """Return the value of a string token."""
    inner = token.text[1:-1]
    if token.text.startswith("`"):
        return inner
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), inner)


def nanoseconds(text: str) -> int:
    """Return the nanoseconds of a duration token."""
    return int(sum(float(amount) * _NANOSECONDS[unit] for amount, unit in _PART.findall(text)))


def matcher(operator: str, wanted: str) -> Callable[[str], bool]:
    """Return the test of `=`, `!=`, `=~` or `!~`; regular expressions match the whole value.

    Raises:
        BadQueryError: The regular expression is malformed.
    """
    if operator in ("=", "!="):
        return lambda value: (value == wanted) == (operator == "=")
    try:
        pattern = re.compile(wanted, re.DOTALL)
    except re.error as error:
        raise BadQueryError(f"regular expression {wanted!r}: {error}") from None
    return lambda value: bool(pattern.fullmatch(value)) == (operator == "=~")
