"""A child process never waits for a lock that a thread of its parent held during the fork."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from observability.instrumentation._export.transport import HttpTransport
from observability.instrumentation._multiprocess import forking
from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.exposition import make_registry
from observability.instrumentation.settings import TelemetrySettings
from tools.servers import wait_until

# How long third-party code holds a lock of its own, as a C library does while it initializes.
HELD_SECONDS = 0.4


class Hidden:
    """Third-party code with a hidden lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entered = threading.Event()

    def work(self) -> bool:
        with self.lock:
            self.entered.set()
            time.sleep(HELD_SECONDS)
        return True

    def collect(self) -> list[object]:
        self.work()
        return []


def child_can_take(lock: threading.Lock) -> bool:
    """Fork and return whether the child gets the lock."""
    if (child := os.fork()) == 0:
        os._exit(0 if lock.acquire(timeout=1) else 1)
    return os.waitpid(child, 0)[1] == 0


def scrape(hidden: Hidden) -> None:
    list(make_registry(TelemetrySettings(), [hidden]).collect())


def probe(hidden: Hidden) -> None:
    # The probe outlasts its scrape, and so the block around the scrape.
    list(DependencyProbes({"postgres": hidden.work}, timeout_seconds=0.01).collect())


def connect(hidden: Hidden) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        transport = HttpTransport(TelemetrySettings(endpoint=f"http://127.0.0.1:{port}"))

        def fail_slowly(*_: object) -> object:
            hidden.work()
            raise OSError

        transport._new_connection = fail_slowly  # type: ignore[method-assign, assignment]
        with suppress(OSError):
            transport.post("traces", b"")


@pytest.mark.parametrize("work", [scrape, probe, connect])
def test_a_fork_waits_for_third_party_code_in_a_thread(work: Callable[[Hidden], None]) -> None:
    hidden = Hidden()
    thread = threading.Thread(target=work, args=(hidden,))
    thread.start()
    assert hidden.entered.wait(5)
    assert child_can_take(hidden.lock)
    thread.join()


def test_without_the_block_the_child_would_never_get_the_lock() -> None:
    hidden = Hidden()
    thread = threading.Thread(target=hidden.work)
    thread.start()
    assert hidden.entered.wait(5)
    assert not child_can_take(hidden.lock)
    thread.join()


def test_a_thread_that_hangs_delays_a_fork_by_no_more_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forking, "FORK_WAITS_SECONDS", 0.2)
    done = threading.Event()
    entered = threading.Event()

    def hang() -> None:
        with forking.unforked():
            entered.set()
            done.wait(20)

    thread = threading.Thread(target=hang)
    thread.start()
    assert entered.wait(5)
    started = time.monotonic()
    assert child_can_take(threading.Lock())
    assert time.monotonic() - started < 5
    done.set()
    thread.join()


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue is full: the system answers no attempt to connect."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = server.getsockname()[1]
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


def test_a_receiver_that_accepts_no_connection_delays_no_fork(
    full_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "FORK_WAITS_SECONDS", 60)
    ended: list[float] = []

    def post() -> None:
        transport = HttpTransport(
            TelemetrySettings(endpoint=f"http://127.0.0.1:{full_port}", timeout_seconds=5)
        )
        with suppress(OSError):
            transport.post("traces", b"")
        ended.append(time.monotonic())

    thread = threading.Thread(target=post)
    thread.start()
    wait_until(lambda: _connects_to(full_port))
    assert child_can_take(threading.Lock())
    assert not ended
    thread.join()


def _connects_to(port: int) -> bool:
    """Return whether the thread's attempt is under way: the third to this port, SYN_SENT."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    tries = [line.split() for line in lines if line.split()[2] == f"0100007F:{port:04X}"]
    return any(words[3] == "02" for words in tries)


def enter_a_block() -> bool:
    """Return whether a new thread gets into a block."""
    entered = threading.Event()

    def enter() -> None:
        with forking.unforked():
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    return entered.wait(2)


def test_a_child_starts_without_its_parents_hanging_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forking, "FORK_WAITS_SECONDS", 0.1)
    done, entered = threading.Event(), threading.Event()

    def hang() -> None:
        with forking.unforked():
            entered.set()
            done.wait(20)

    thread = threading.Thread(target=hang)
    thread.start()
    assert entered.wait(5)
    if (child := os.fork()) == 0:
        # The parent's block must not count here, or the child's own forks would wait for it.
        forking.FORK_WAITS_SECONDS = 5
        started = time.monotonic()
        is_well = enter_a_block() and child_can_take(threading.Lock())
        os._exit(0 if is_well and time.monotonic() - started < 4 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert enter_a_block()
    done.set()
    thread.join()
