"""Find the modules that a page's script imports, so that the browser preloads them all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_IMPORT = re.compile(r"""^(?:import|export)\s[^;]*?from\s+["'](\.[^"']+)["']""", re.MULTILINE)


def imported(folder: Path, script: str) -> list[str]:
    """Return the modules behind a script, nearest first, as paths below the folder."""
    root = folder.resolve()
    found: list[Path] = []
    waiting = [root / script]
    while waiting:
        module = waiting.pop(0)
        for name in _IMPORT.findall(module.read_text(encoding="utf-8")):
            path = (module.parent / name).resolve()
            if path not in found and path.is_relative_to(root):
                found.append(path)
                waiting.append(path)
    return [path.relative_to(root).as_posix() for path in found]
