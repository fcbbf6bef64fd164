"""Drive a headless Chromium over a pair of pipes: no driver, no web socket, no open port.

Source: Chrome DevTools Protocol, `--remote-debugging-pipe`: JSON messages that end in a zero byte,
read by the browser from descriptor 3 and written by it to descriptor 4.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-default-browser-check",
)
# Puts two descriptors where Chromium looks for them, then becomes Chromium.
_LAUNCH = (
    "import fcntl, os, sys; a, b = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]);"
    " os.dup2(a, 3); os.dup2(b, 4); os.execvp(sys.argv[3], sys.argv[3:])"
)


class BrowserError(Exception):
    """A browser that is missing, has ended, or refused a command."""


class Browser:
    """One page in a private browser; a context manager that deletes its profile at the end."""

    def __init__(self, program: str | None = None) -> None:
        self._program = program or next(filter(None, map(shutil.which, NAMES)), None)
        if not self._program:
            raise BrowserError(f"no browser found; one of {', '.join(NAMES)} is needed")
        self._number = 0
        self._buffer = b""
        self._session: str | None = None

    def __enter__(self) -> Self:
        """Start the browser and open a page."""
        self._profile = tempfile.TemporaryDirectory(
            prefix="sightline-browser-", ignore_cleanup_errors=True
        )
        browser_in, self._to = os.pipe()
        self._from, browser_out = os.pipe()
        flags = [*_FLAGS, f"--user-data-dir={self._profile.name}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        launch = [sys.executable, "-c", _LAUNCH, str(browser_in), str(browser_out)]
        self._process = subprocess.Popen(
            [*launch, str(self._program), *flags],
            pass_fds=(browser_in, browser_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(browser_in)
        os.close(browser_out)
        try:
            self._open_page()
        except BrowserError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the browser."""
        os.close(self._to)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        os.close(self._from)
        self._profile.cleanup()

    def call(self, method: str, seconds: float = 30, **params: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            BrowserError: It failed, or timed out.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise BrowserError(f"the browser is gone: {error}") from error
        return self._answer(self._number, method, time.monotonic() + seconds)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"script failed: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float) -> Any:
        """Return the value of an expression as soon as it is truthy.

        Raises:
            BrowserError: It timed out.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.1)
        raise BrowserError(f"not drawn within {seconds:g} s")

    def _open_page(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = str(attached["sessionId"])
        self.call("Page.enable")

    def _answer(self, number: int, method: str, deadline: float) -> dict[str, Any]:
        while True:
            message = self._read(deadline, method)
            if message.get("id") != number:
                continue
            if "error" in message:
                raise BrowserError(f"{method}: {message['error'].get('message')}")
            return dict(message["result"])

    def _read(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise BrowserError(f"{method}: timeout, the browser did not answer")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise BrowserError("the browser ended; can it run on this machine?")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(line))
