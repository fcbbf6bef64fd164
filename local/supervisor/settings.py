"""The environment that the supervisor passes to its children."""

from __future__ import annotations

import os


def inherited_environment() -> dict[str, str]:
    """Return the variables that this process was given."""
    return dict(os.environ)
