"""PromQL as tokens with positions, which the parser's tree does not have."""

from __future__ import annotations

import re
from dataclasses import dataclass

PATTERN = re.compile(
    r"""
    (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<duration>(?:\d+(?:ms|[smhdwy]))+)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:\b(?:inf|nan)\b))
  | (?P<name>[A-Za-z_:][\w:]*)
  | (?P<operator>=~|!~|==|!=|>=|<=|[-+*/%^<>=])
  | (?P<mark>[()\[\]{},:@])
  | (?P<comment>\#[^\n]*)
  | (?P<space>\s+)
    """,
    re.VERBOSE,
)
SET_OPERATORS = ("and", "or", "unless")
COMPARISONS = (">", "<", ">=", "<=", "==", "!=")
CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Token:
    """A token of an expression.

    Args:
        kind: string, duration, number, name, operator or mark.
        text: Its characters.
        start: Its first character's index.
        end: The index after its last character.
        depth: How many brackets are open around it.
        inside: The innermost open bracket: empty, (, [ or {.
    """

    kind: str
    text: str
    start: int
    end: int
    depth: int
    inside: str


def tokens(expr: str) -> list[Token]:
    """Return the tokens of an expression, without spaces and comments.

    Raises:
        ValueError: A character does not belong to any token.
    """
    found: list[Token] = []
    open_: list[str] = []
    place = 0
    while place < len(expr):
        match = PATTERN.match(expr, place)
        if not match:
            raise ValueError(f"{expr!r} has {expr[place]!r} at {place}")
        kind, text = str(match.lastgroup), match.group()
        place = match.end()
        if kind in {"space", "comment"}:
            continue
        if text in {")", "]", "}"} and open_:
            open_.pop()
        inside = open_[-1] if open_ else ""
        found.append(Token(kind, text, match.start(), match.end(), len(open_), inside))
        if kind == "mark" and text in CLOSING:
            open_.append(text)
    return found


def replace(expr: str, start: int, end: int, text: str) -> str:
    """Return an expression with a part replaced."""
    return expr[:start] + text + expr[end:]
