"""One running local mode for all end-to-end tests, on free ports, in a private state folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System
from tools.free_ports import free_port_variables
from tools.servers import ROOT, release_shared_memory


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Run the local mode without load; stop it by `down` after the tests."""
    # Not pytest's own folder: socket paths and process titles want a short one.
    state = Path(tempfile.mkdtemp(prefix="sl-e2e-"))
    environ = {
        **os.environ,
        **free_port_variables(),
        "ORDERS_STATE_DIR": str(state),
        "ORDERS_LOAD_RATE": "0",
    }
    command = [sys.executable, "-m", "local"]
    try:
        up = subprocess.run(
            [*command, "up"],
            check=False,
            env=environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert up.returncode == 0, up.stdout[-4000:] + up.stderr[-4000:]
        yield System(environ, state)
    finally:
        subprocess.run(
            [*command, "down"], check=False, env=environ, cwd=ROOT, capture_output=True, timeout=60
        )
        release_shared_memory(state / "postgres")
        shutil.rmtree(state, ignore_errors=True)
