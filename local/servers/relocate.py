"""Start programs that were unpacked and not installed, wherever their folder is.

No path is written into a start script: a checkout may be moved or copied, and its path may have any
characters.

Debian compiles the path of Alertmanager's mail templates in, so only an installed package finds
them. In the private copy it is replaced by a path of the same length that leads through a file
descriptor, which the start script opens on the folder.
"""

from __future__ import annotations

import shlex
from pathlib import Path

_FIND_FOLDER = 'folder="${0%/*}/.."\n'
COMPILED_IN = b"/usr/share/prometheus/alertmanager"
DESCRIPTOR = 9


def start_script(folder: Path, tree: Path, program: Path) -> str:
    """Return the text of a script in `folder/bin` that starts a program with its own libraries.

    Args:
        folder: Folder of programs.
        tree: Folder below it into which packages were unpacked.
        program: File of the program.
    """

    def below(path: Path) -> str:
        return f'"$folder"/{shlex.quote(str(path.relative_to(folder)))}'

    line = f'exec {below(program)} "$@"\n'
    if libraries := sorted({path.parent for path in tree.rglob("*.so*")}):
        line = f"LD_LIBRARY_PATH={':'.join(map(below, libraries))} {line}"
    if templates := relocate(tree, program):
        line = f"exec {DESCRIPTOR}<{below(templates)}\n{line}"
    return f"#!/bin/sh\n{_FIND_FOLDER}{line}"


def is_movable(script: Path) -> bool:
    """Return whether a start script exists and contains no path of the checkout."""
    try:
        return _FIND_FOLDER in script.read_text()
    except OSError:
        return False


def relocate(tree: Path, program: Path) -> Path | None:
    """Rewrite the program if its compiled-in folder is part of the unpacked tree.

    Args:
        tree: Folder into which packages were unpacked.
        program: File of the program; rewritten in place, once.

    Returns:
        The folder to open as `DESCRIPTOR` when it starts; None if it needs none.
    """
    folder = tree / COMPILED_IN.decode().lstrip("/")
    if not folder.is_dir():
        return None
    start = f"/proc/self/fd/{DESCRIPTOR}".encode()
    filling = len(COMPILED_IN) - len(start)
    path = start + (b"/." * filling)[: filling - filling % 2] + b"/" * (filling % 2)
    code = program.read_bytes()
    if COMPILED_IN in code:
        draft = program.with_suffix(".new")
        draft.write_bytes(code.replace(COMPILED_IN, path))
        draft.chmod(0o755)
        draft.rename(program)
    return folder
