"""What the doctor found, in one line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """The end of one check.

    Args:
        state: FAIL makes the doctor's exit code 1.
        subject: What was checked, in a word.
        text: What was found and, unless all is well, what to do.
    """

    state: State
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.state.value:<5}{self.subject:<12}{self.text}"


def ok(subject: str, text: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(State.OK, subject, text)


def note(subject: str, text: str) -> Finding:
    """Return a finding that is worth knowing and no failure."""
    return Finding(State.NOTE, subject, text)


def fail(subject: str, text: str) -> Finding:
    """Return a finding that needs a change."""
    return Finding(State.FAIL, subject, text)
