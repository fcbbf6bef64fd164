"""A private metrics folder for a program that was started without PROMETHEUS_MULTIPROC_DIR."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from ..settings import set_metrics_folder

_PREFIX = "telemetry-metrics-"


def make_private_folder() -> Path:
    """Make a folder for this process and its children, and set PROMETHEUS_MULTIPROC_DIR to it.

    It is deleted when this process ends. prometheus_client reads the variable when it is imported;
    where that has happened, the metrics that exist move into the folder.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    set_metrics_folder(folder)
    atexit.register(_delete, folder, os.getpid())
    if "prometheus_client" in sys.modules:
        from prometheus_client import REGISTRY  # noqa: PLC0415 - only if it is loaded already

        from .._multiprocess.shared_values import share_values  # noqa: PLC0415

        share_values(folder, (REGISTRY,))
    return folder


def is_private(folder: Path) -> bool:
    """Return whether a folder was made by this kit."""
    return folder.name.startswith(_PREFIX)


def _delete(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
