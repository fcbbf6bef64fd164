"""Probe a child: whether it is ready, and whether it answers at all."""

from __future__ import annotations

import asyncio
import base64
import struct
from contextlib import suppress
from pathlib import Path

from .plan import Probe
from .spawn import ended, spawn

HOST = "127.0.0.1"


async def is_ready(probe: Probe, seconds: float = 3) -> bool:
    """Return whether the child answers as expected within the time; never raises.

    Args:
        probe: What to ask; `alive` is always ready.
        seconds: How long to wait for the answer.
    """
    with suppress(OSError, asyncio.TimeoutError, EOFError):
        return await asyncio.wait_for(_ask(probe), seconds)
    return False


async def is_live(probe: Probe, seconds: float) -> bool | None:
    """Return whether the child works; None if this process could not ask.

    PostgreSQL and Redis are live while they start, recover, or have too many clients: they answer,
    if only with an error. The other kinds are live if they are ready.
    """
    try:
        return await asyncio.wait_for(_ask(probe, any_answer=True), seconds)
    except (TimeoutError, ConnectionError, EOFError):
        return False
    except OSError:
        # This process lacks descriptors, ports or memory, or cannot read the password file.
        return None


async def _ask(probe: Probe, *, any_answer: bool = False) -> bool:
    match probe.kind:
        case "alive":
            return True
        case "tcp":
            return await _tcp(probe)
        case "http":
            return await _http(probe)
        case "command":
            return await _command(probe)
        case "redis":
            return await _redis(probe, any_answer=any_answer)
        case "postgres":
            return await _postgres(probe, any_answer=any_answer)


async def _tcp(probe: Probe) -> bool:
    return await _exchange(probe.port, b"") is not None


async def _http(probe: Probe) -> bool:
    head = f"GET {probe.path} HTTP/1.0\r\nHost: {HOST}\r\nConnection: close\r\n"
    if probe.password_file:
        pair = f"{probe.user}:{_password(probe)}".encode()
        head += f"Authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    request = f"{head}\r\n"
    return (await _exchange(probe.port, request.encode())).split(b" ")[1:2] == [b"200"]


async def _redis(probe: Probe, *, any_answer: bool) -> bool:
    commands = [["PING"]]
    if probe.password_file:
        commands.insert(0, ["AUTH", _password(probe)])
    reader, writer = await asyncio.open_connection(HOST, probe.port)
    try:
        for words in commands:
            writer.write(_redis_words(words))
            answer = await reader.readline()
            if any_answer:
                return answer != b""
            if not answer.startswith(b"+"):
                return False
        return True
    finally:
        writer.close()


def _password(probe: Probe) -> str:
    return Path(probe.password_file or "").read_text().rstrip("\r\n")


def _redis_words(words: list[str]) -> bytes:
    parts = [word.encode() for word in words]
    body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), body)


async def _postgres(probe: Probe, *, any_answer: bool) -> bool:
    """Begin to log in: PostgreSQL answers with an error while it starts up or recovers.

    Source: PostgreSQL 18, "Message Formats", StartupMessage and AuthenticationRequest.
    """
    options = b"user\0probe\0database\0postgres\0\0"
    hello = struct.pack("!ii", 8 + len(options), 3 << 16) + options
    reader, writer = await asyncio.open_connection(HOST, probe.port)
    try:
        writer.write(hello)
        return await reader.readexactly(1) in ({b"R", b"E"} if any_answer else {b"R"})
    finally:
        writer.close()


async def _command(probe: Probe) -> bool:
    process = spawn(probe.command)
    try:
        return await ended(process) == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()


async def _exchange(port: int, request: bytes) -> bytes:
    """Send a request, if any, and return the first line of the answer."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        if not request:
            return b""
        writer.write(request)
        return await reader.readline()
    finally:
        writer.close()
