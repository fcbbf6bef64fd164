"""Split LogQL and TraceQL into tokens, and keep a query within bounds."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from local.store.errors import BadQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_QUERY = 8_000
MOST_TERMS = 100
DEEPEST = 20
# SQLite's largest integer.
LARGEST = 2**63 - 1
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
  | (?P<duration>\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d)(?:\d+(?:ms|s|m|h))*)
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_.][\w.:/-]*)
  | (?P<op>=~|!~|!=|==|>=|<=|&&|\|\||\|=|\|~|>>|<<|[{}()\[\],|=<>!~])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)", re.ASCII)
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
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "`": "`"}
MATCHERS = ("=", "!=", "=~", "!~")


class Token(NamedTuple):
    """One token of a query."""

    kind: str
    text: str


class Tokens:
    """The tokens of a query, read from left to right.

    Raises:
        BadQueryError: A part of the text is not a token, or the text is too long.
    """

    def __init__(self, language: str, text: str) -> None:
        if len(text) > LONGEST_QUERY:
            raise BadQueryError(
                f"{language}: a query has at most {LONGEST_QUERY} characters, not {len(text)}"
            )
        self._language = language
        self._tokens: list[Token] = []
        self._at = self._terms = self._depth = 0
        position = 0
        text = text.strip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found or found.lastgroup is None:
                raise BadQueryError(f"{language}: cannot read {text[position : position + 30]!r}")
            self._tokens.append(Token(found.lastgroup, found[found.lastgroup]))
            position = found.end()

    @contextmanager
    def term(self) -> Iterator[None]:
        """Count a condition, and what it contains as nested in it."""
        self._terms += 1
        self._depth += 1
        if self._terms > MOST_TERMS:
            raise self._too("many conditions", MOST_TERMS)
        if self._depth > DEEPEST:
            raise self._too("deep brackets", DEEPEST)
        yield
        self._depth -= 1

    def peek(self) -> str:
        """Return the next token's text; empty at the end."""
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def take(self, *kinds: str) -> Token:
        """Consume the next token, which must be of one of these kinds, and return it."""
        token = self._tokens[self._at] if self._at < len(self._tokens) else Token("end", "the end")
        if kinds and token.kind not in kinds:
            raise self.outside(f"expected a {' or '.join(kinds)}, found {token.text[:100]!r}")
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
            raise self.outside(f"expected {text!r}, found {self.peek()[:100] or 'the end'!r}")

    def names(self) -> tuple[str, ...]:
        """Consume `(name, …)`."""
        self.expect("(")
        names = [self.take("name").text]
        while self.accept(","):
            names.append(self.take("name").text)
            if len(names) > MOST_TERMS:
                raise self._too("many names", MOST_TERMS)
        self.expect(")")
        return tuple(names)

    def outside(self, reason: str) -> BadQueryError:
        """Return the error for a query that the local mode does not support."""
        return BadQueryError(
            f"{self._language}: {reason}. The local mode supports a part of the language"
        )

    def _too(self, what: str, most: int) -> BadQueryError:
        return BadQueryError(f"{self._language}: too {what}, at most {most} are allowed")


def unquote(token: Token) -> str:
    """Return the value of a string token, by Go's rules.

    Raises:
        BadQueryError: An escape that Go does not know.
    """
    inner = token.text[1:-1]
    return inner if token.text.startswith("`") else _ESCAPE.sub(_unescaped, inner)


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if len(escape) > 1 and not 0xD800 <= int(escape[1:], 16) <= 0xDFFF:
        return chr(int(escape[1:], 16))
    if escape not in _ESCAPES:
        raise BadQueryError(
            f"unknown escape \\{escape} in a string; write \\\\{escape}, or quote with backticks"
        )
    return _ESCAPES[escape]


def nanoseconds(text: str) -> int:
    """Return the nanoseconds of a duration token.

    Raises:
        BadQueryError: It is longer than the store can count, about 292 years.
    """
    total = sum(float(amount) * _NANOSECONDS[unit] for amount, unit in _PART.findall(text))
    if total > LARGEST:
        raise BadQueryError(f"the duration {text[:40]} is longer than 292 years")
    return int(total)


def number(text: str) -> int | float:
    """Return the value of a number token.

    Raises:
        BadQueryError: A number beyond 64 bits.
    """
    value = float(text) if "." in text or len(text) > 20 else int(text)
    if not -LARGEST <= value <= LARGEST:
        raise BadQueryError(f"the number {text[:40]} is beyond 64 bits")
    return value
