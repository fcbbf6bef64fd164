"""Keep one child of a plan alive: start it, wait until it is ready, restart it when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from .liveness import Watch
from .plan import Child, Probe
from .probes import is_ready
from .spawn import clear_group, ended, spawn

State = Literal[
    "waiting", "starting", "ready", "done", "restarting", "failed", "stopping", "stopped"
]

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 15.0
# A child that stayed ready for this long starts over with the first back-off.
STABLE_AFTER_SECONDS = 10.0
ALWAYS_LIVE = Probe("alive")


class ChildFailedError(RuntimeError):
    """A child that never became ready; the message gives the reason."""


class Runner:
    """One child, its process and its state.

    Args:
        child: The program to run.
        log: File of its output.
        folder: Working directory.
        environment: Variables that every child gets; the child's own are added.
        changed: Called after each change of state.
    """

    def __init__(
        self,
        child: Child,
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
        changed: Callable[[Runner], None],
    ) -> None:
        self.child = child
        self.state: State = "waiting"
        self.restarts = 0
        self.message = ""
        self.ready = asyncio.Event()
        self._log = log
        self._folder = folder
        self._environment = {**environment, **child.environment}
        self._changed = changed
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._silence = ""
        self._created = time.monotonic()

    def report(self) -> dict[str, Any]:
        """Return the child's entry in the report; its pid is None once the process is gone."""
        process = self._process
        return {
            "name": self.child.name,
            "state": self.state,
            "pid": process.pid if process and process.returncode is None else None,
            "restarts": self.restarts,
            "address": self.child.address,
            "log": str(self._log),
            "message": self.message,
        }

    async def run(self) -> None:
        """Run the child until `stop`, or until it is done if it runs once.

        Raises:
            ChildFailedError: It never became ready.
        """
        back_off = FIRST_BACK_OFF_SECONDS
        while not self._stopping:
            try:
                worked = await self._live_once()
            except OSError as error:
                worked = self._survive(error)
            if self.child.once or self._stopping:
                return
            self.restarts += 1
            if worked > STABLE_AFTER_SECONDS:
                back_off = FIRST_BACK_OFF_SECONDS
            self._set("restarting", f"{self.message}, restarted in {back_off:g} s")
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF_SECONDS)

    async def stop(self) -> None:
        """Ask the child to end, kill it if it does not, and end the rest of its session."""
        self._stopping = True
        process = self._process
        if process is not None and process.poll() is None:
            if self.state != "failed":
                self._set("stopping")
            if await self._end(process):
                self.message = f"killed, it did not end within {self.child.grace_seconds:g} s"
        if self.state not in {"done", "failed"}:
            self._set("stopped")

    async def _end(self, process: subprocess.Popen[bytes]) -> bool:
        """End a process and the rest of its session; return whether it had to be killed."""
        process.send_signal(self.child.stop_signal)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended(process), self.child.grace_seconds)
        is_killed = process.poll() is None
        if is_killed:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await ended(process)
        await clear_group(process.pid)
        return is_killed

    async def _live_once(self) -> float:
        """Start the child and wait for its end; return the seconds for which it worked.

        Raises:
            OSError: It cannot be started, or its end cannot be waited for.
        """
        self._process = process = spawn(
            self.child.command,
            log=self._log,
            environment=self._environment,
            stop_signal=self.child.stop_signal,
            folder=self._folder,
        )
        started = time.monotonic()
        self._silence = ""
        self._set("starting")
        child = self.child
        watch = Watch(child.live or ALWAYS_LIVE, child.live_seconds, child.ready_seconds)
        end = asyncio.create_task(ended(process))
        watching = asyncio.create_task(self._end_if_silent(process, watch))
        try:
            ready_at = await self._await_ready(end, started)
            watch.note_answer()
            code = await end
        finally:
            watching.cancel()
        await clear_group(process.pid)
        self.message = f"{self._silence}{_describe(code)}"
        self._classify_end(code)
        worked_until = watch.answered_at if self._silence else time.monotonic()
        return (worked_until or 0) - ready_at if ready_at else 0

    async def _end_if_silent(self, process: subprocess.Popen[bytes], watch: Watch) -> None:
        """End the process once it is not live; the first start has its own time limit."""
        await self.ready.wait()
        seconds = await watch.until_silent()
        self._silence = f"no answer for {seconds:.0f} s, "
        self._set("restarting", f"{self._silence}it is stopped")
        await self._end(process)

    def _survive(self, error: OSError) -> float:
        """Note why the child could not be started or watched; a later attempt may succeed."""
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not self.ready.is_set():
            raise ChildFailedError(self._fail(f"cannot start: {error}")) from error
        self.message = f"cannot start: {error}"
        return 0.0

    async def _await_ready(self, end: asyncio.Task[int], started: float) -> float | None:
        """Probe until the child is ready or has ended; return when it became ready."""
        while not end.done() and not self._stopping:
            if not self.child.once and await is_ready(self.child.probe) and not end.done():
                self.ready.set()
                self._set("ready")
                return time.monotonic()
            if not self.ready.is_set() and time.monotonic() - started > self.child.ready_seconds:
                message = f"not ready within {self.child.ready_seconds:g} s"
                raise ChildFailedError(self._fail(message))
            pause = min(max(0.1, (time.monotonic() - started) / 20), 1.0)
            await asyncio.wait({end}, timeout=pause)
        return None

    def _classify_end(self, code: int) -> None:
        if self._stopping:
            return
        if self.child.once and code == 0:
            self._set("done")
            self.ready.set()
        elif not self.ready.is_set():
            raise ChildFailedError(self._fail(f"{_describe(code)} before it was ready"))

    def _fail(self, message: str) -> str:
        self._set("failed", message)
        return f"{self.child.name}: {message}"

    def _set(self, state: State, message: str | None = None) -> None:
        self.state = state
        self.message = self.message if message is None else message
        if state in {"ready", "done"}:
            self.message = f"after {time.monotonic() - self._created:.1f} s"
        self._changed(self)


def _describe(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
