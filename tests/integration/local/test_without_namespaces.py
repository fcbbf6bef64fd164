"""PostgreSQL starts for root also where user namespaces are denied, as in most containers."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tools.servers import PROGRAMS, ROOT

MAKE = """
import pathlib, sys
from local.servers import command_lines
command_lines.init_postgres(*map(pathlib.Path, sys.argv[1:3]), "secret")
"""


def is_open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change its user")
def test_the_unix_user_nobody_owns_the_cluster_and_no_password_file_remains():
    binaries = PROGRAMS.postgres_folder()
    if not is_open_to_all(binaries):
        pytest.skip("this checkout is closed to the user nobody")
    folder = Path(tempfile.mkdtemp(prefix="sl-unprivileged-"))
    try:
        folder.chmod(0o755)
        state = folder / "state"
        state.mkdir(0o700)
        denied = folder / "bin/unshare"
        denied.parent.mkdir()
        denied.write_text("#!/bin/sh\nexit 1\n")
        denied.chmod(0o755)
        environ = {**os.environ, "PATH": f"{denied.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            [sys.executable, "-c", MAKE, str(binaries), str(state / "data")],
            check=False,
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert (state / "data/PG_VERSION").stat().st_uid == 65534
        assert [path.name for path in state.iterdir()] == ["data"]
        assert stat.S_IMODE(state.stat().st_mode) == 0o710
    finally:
        shutil.rmtree(folder)
