"""Find the severity of a log record that has only a text."""

from __future__ import annotations

import re

# Source: OpenTelemetry, "Logs Data Model", appendix B: syslog, Log4j, Zap, java.util.logging, .NET.
_WORDS = {
    1: "trace verbose finest",
    2: "finer",
    5: "debug fine",
    9: "info information informational config",
    10: "notice",
    13: "warn warning",
    17: "error err severe",
    18: "critical crit",
    19: "alert",
    21: "fatal panic dpanic emergency emerg",
}
_NUMBERS = {word: number for number, words in _WORDS.items() for word in words.split()}
_LETTERS = re.compile("[a-z]+")


def severity_of(text: str) -> int:
    """Return the number of a severity's text, 0 if it is unknown; `WARN2` counts as `WARN`."""
    word = _LETTERS.match(text.strip().lower())
    return _NUMBERS.get(word.group(), 0) if word else 0
