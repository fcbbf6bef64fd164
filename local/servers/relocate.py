"""Let Debian's Alertmanager find its mail templates where it was unpacked.

Debian compiles the path of the templates in, so only an installed package finds them. In the
private copy it is replaced by a path of the same length that leads through a file descriptor,
which the start script opens on the folder.
"""

from __future__ import annotations

from pathlib import Path

COMPILED_IN = b"/usr/share/prometheus/alertmanager"
DESCRIPTOR = 9


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
