"""Clean text at the edge, so that whatever is stored can be written, searched and shown.

SQLite's functions stop at a NUL, and neither SQLite nor JSON takes a lone surrogate.
"""

from __future__ import annotations

import re

_BROKEN = re.compile("[\ud800-\udfff\0]")
REPLACEMENT = "\ufffd"


def clean(text: str | bytes) -> str:
    """Return the text with U+FFFD for each part that is not UTF-8, and for each NUL."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return _BROKEN.sub(REPLACEMENT, text)
