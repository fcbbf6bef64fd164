"""Words that are not an engineer's stay out of every tracked text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
THIS = str(Path(__file__).relative_to(ROOT))
# Whole words in any case, with their inflections.
STEMS = (
    "nobody",
    "somebody",
    "whoever",
    "anew",
    "besides",
    "mend(?:s|ed|ing)?",
    r"for\s+ever",
    r"so\s+many",
    "doors?",
    "judg(?:e|es|ed|ing)",
    "strangers?",
    "made-up",
)
WORDS = re.compile(rf"\b(?:{'|'.join(STEMS)})\b", re.IGNORECASE)
# The Unix user of this name: `user: nobody`, `su nobody`, `chown nobody`, `getpwnam("nobody")`.
UNIX_USER = re.compile(
    r"\b(?:su|user(?:name)?|chown|getpwnam|setpriv|runuser)\b.*\bnobody\b", re.IGNORECASE
)
SKIPPED = re.compile(r"/vendor/|(^|/)LICENSE|(^|/)NOTICE|\.lock$|\.png$")


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], check=True, capture_output=True, text=True, cwd=ROOT
    )
    names = [name for name in listed.stdout.split("\0") if name and not SKIPPED.search(name)]
    return [name for name in names if name != THIS]


def findings(name: str, text: str) -> list[str]:
    """Return each line that holds such a word; a phrase may run over the end of a line."""
    found = []
    for match in WORDS.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        line = text.splitlines()[number - 1]
        if not UNIX_USER.search(line):
            found.append(f"{name}:{number}: {match[0]!r} in {line.strip()[:100]}")
    return found


def test_no_tracked_text_holds_a_word_of_the_short_list():
    found = []
    for name in tracked():
        path = ROOT / name
        if path.is_file():
            found += findings(name, f"{name}\n{path.read_text(encoding='utf-8')}")
    assert found == [], f"{len(found)} lines\n" + "\n".join(found[:80])


@pytest.mark.parametrize(
    "line",
    [
        "Nobody reads this",
        "the mutant is judged",
        "it comes back for\n    ever",
        "Strangers' dashboards",
        "class Door:",
        "a made-up customer",
    ],
)
def test_a_word_of_the_short_list_is_noticed(line):
    assert len(findings("file", line)) == 1


@pytest.mark.parametrize(
    "line", ["recommend", "amend", "indoors", 'user: "nobody"', "su nobody -c id"]
)
def test_other_words_and_the_unix_user_are_left_alone(line):
    assert findings("file", line) == []
