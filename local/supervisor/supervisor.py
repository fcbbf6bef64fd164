"""Start the children of a plan, keep them alive, and stop them in the opposite order.

Every child starts as soon as what it needs is ready, all at once where the needs allow it. The
report is a file that other processes read. No trouble of this process ends the children: what
cannot be written is written later, and what cannot be started is tried again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .folder import MARKER, Folder, write_atomically
from .logfiles import rotate
from .plan import Plan
from .runner import ChildFailedError, Runner

TIDY_EVERY_SECONDS = 5


class Supervisor:
    """The running children of a plan.

    Args:
        plan: What to run.
        state: Where the report and the log files go.
        folder: Where the children run.
        environment: Variables that every child gets.
    """

    def __init__(
        self, plan: Plan, state: Folder, folder: Path, environment: dict[str, str]
    ) -> None:
        self._plan = plan
        self._state = state
        self._phase = "starting"
        self._failure = ""
        self._is_reported = False
        self._started_at = time.time()
        self._stop = asyncio.Event()
        self._runners = {
            child.name: Runner(
                child,
                log=state.log(child.name),
                folder=folder,
                environment={**environment, MARKER: str(state.path)},
                changed=self._changed,
            )
            for child in plan.children
        }

    async def run(self) -> int:
        """Run until a signal or a failure; return the exit code.

        Returns:
            0 after a signal, 1 if a child never became ready.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._write_report()
        tasks = [asyncio.create_task(self._keep(runner)) for runner in self._runners.values()]
        tasks += [asyncio.create_task(self._tidy()), asyncio.create_task(self._watch_start())]
        await self._stop.wait()
        self._phase = "stopping"
        await self._stop_all()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._phase = "failed" if self._failure else "stopped"
        self._write_report()
        return 1 if self._failure else 0

    async def _keep(self, runner: Runner) -> None:
        """Start a child when what it needs is ready, and keep it alive."""
        try:
            for name in runner.child.needs:
                await self._runners[name].ready.wait()
            await runner.run()
        except ChildFailedError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"{runner.child.name}: {error!r}")
            raise

    def _fail(self, message: str) -> None:
        self._failure = self._failure or message
        self._log(message)
        self._stop.set()

    async def _watch_start(self) -> None:
        for runner in self._runners.values():
            await runner.ready.wait()
        self._phase = "ready"
        self._write_report()

    async def _stop_all(self) -> None:
        """Stop every child once its dependents are gone."""
        gone = {name: asyncio.Event() for name in self._runners}

        async def stop(name: str) -> None:
            for dependent in self._plan.dependents(name):
                await gone[dependent].wait()
            await self._runners[name].stop()
            gone[name].set()

        await asyncio.gather(*(stop(name) for name in self._runners))

    async def _tidy(self) -> None:
        """Rotate log files, and write what a full disk has kept from being reported."""
        while True:
            await asyncio.sleep(TIDY_EVERY_SECONDS)
            for name in (*self._runners, "supervisor"):
                with suppress(OSError):
                    rotate(self._state.log(name))
            if not self._is_reported:
                self._write_report()

    def _changed(self, runner: Runner) -> None:
        self._log(f"{runner.child.name}: {runner.state} {runner.message}".rstrip())
        self._write_report()

    def _write_report(self) -> None:
        report: dict[str, Any] = {
            "pid": os.getpid(),
            "phase": self._phase,
            "failure": self._failure,
            "started_at": self._started_at,
            "children": [runner.report() for runner in self._runners.values()],
        }
        try:
            write_atomically(self._state.report, json.dumps(report, indent=1))
        except OSError as error:
            self._is_reported = False
            self._log(f"the report cannot be written: {error}")
        else:
            self._is_reported = True

    def _log(self, message: str) -> None:
        clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        # Unbuffered: what a full disk refuses is lost here, and must not fail at the exit.
        with suppress(OSError):
            os.write(sys.stdout.fileno(), f"{clock} {message}\n".encode())
