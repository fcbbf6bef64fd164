"""Checks of what a program finds around it: folder, ports and receiver."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._export.transport import HttpTransport, Outcome
from ..settings import GRPC
from .finding import fail, note, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings import EntrySettings, TelemetrySettings
    from .finding import Finding

_RECEIVER_SECONDS = 5.0
# The fields of `struct flock` that F_GETLK fills in: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")


def check_folder(settings: TelemetrySettings) -> Finding:
    """Check that the metrics folder can be used, and by which process it is."""
    folder = settings.multiproc_dir
    if folder is None:
        text = "PROMETHEUS_MULTIPROC_DIR is not set: gunicorn and a prefork worker make their own"
        return ok("folder", text)
    if not folder.exists():
        parent = next(one for one in folder.absolute().parents if one.exists())
        if os.access(parent, os.W_OK):
            return ok("folder", f"{folder} will be made")
        return fail("folder", f"{folder} cannot be made in {parent}: choose another folder")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return fail("folder", f"{folder} is no folder that this user can write: choose another")
    owner = _owner(folder)
    if owner is not None:
        text = f"{folder} is used by process {owner}; each other program needs a folder of its own"
        return note("folder", text)
    return ok("folder", f"{folder} is free")


def _owner(folder: Path) -> int | None:
    """Return the process that has reserved a folder."""
    try:
        with (folder / "owner.lock").open("rb") as file:
            asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
            answer = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return None
    return None if answer[0] == fcntl.F_UNLCK else int(answer[4])


def check_settings(settings: EntrySettings) -> Iterator[Finding]:
    """Report settings that work but look wrong."""
    for warning in settings.telemetry.warnings:
        yield fail("settings", warning)
    if settings.telemetry.sdk_disabled:
        yield note("settings", "OTEL_SDK_DISABLED is set: no traces and no exported log lines")


def check_receiver(settings: TelemetrySettings) -> Finding:
    """Check that the OTLP receiver accepts a request without any span."""
    url = settings.endpoint
    hint = "start it, or set OTEL_EXPORTER_OTLP_ENDPOINT"
    if settings.protocol == GRPC:
        address = urlsplit(url)
        try:
            socket.create_connection(
                (address.hostname or "", address.port or 4317), _RECEIVER_SECONDS
            ).close()
        except OSError as error:
            return fail("receiver", f"{url} cannot be reached ({error}): {hint}")
        return ok("receiver", f"{url} accepts connections")
    try:
        outcome, _ = HttpTransport(settings).post("traces", b"", _RECEIVER_SECONDS)
    except (OSError, HTTPException) as error:
        return fail("receiver", f"{url} cannot be reached ({error}): {hint}")
    if outcome is not Outcome.ACCEPTED:
        text = f"{url} answered, but is no OTLP receiver over HTTP, or refuses: {outcome.value}"
        return fail("receiver", text)
    return ok("receiver", f"{url} accepts traces")
