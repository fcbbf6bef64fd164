"""A child must never wait for a lock that a thread of its parent held at the fork."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from observability.instrumentation._export.transport import HttpTransport
from observability.instrumentation._multiprocess import forking
from observability.instrumentation.dependencies import DependencyProbes
from observability.instrumentation.exposition import make_registry
from observability.instrumentation.settings import TelemetrySettings

# As long as somebody else's code holds a lock of its own: a C library that sets itself up, say.
HELD_SECONDS = 0.4


class Hidden:
    """Code with a lock that nobody outside can see."""

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
    # The probe outlasts its scrape, and with it whatever guards the scrape.
    list(DependencyProbes({"postgres": hidden.work}, timeout_seconds=0.01).collect())


def connect(hidden: Hidden) -> None:
    transport = HttpTransport(TelemetrySettings(endpoint="http://127.0.0.1:1"))
    make = transport._new_connection

    def make_slowly(timeout: float) -> object:
        hidden.work()
        return make(timeout)

    transport._new_connection = make_slowly  # type: ignore[method-assign, assignment]
    with suppress(OSError):
        transport.post("traces", b"")


@pytest.mark.parametrize("thread_of_ours", [scrape, probe, connect])
def test_a_fork_waits_for_what_a_thread_does_in_other_peoples_code(
    thread_of_ours: Callable[[Hidden], None],
) -> None:
    hidden = Hidden()
    thread = threading.Thread(target=thread_of_ours, args=(hidden,))
    thread.start()
    assert hidden.entered.wait(5)
    assert child_can_take(hidden.lock)
    thread.join()


def test_without_the_block_the_child_would_wait_for_ever() -> None:
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


def enter_a_block() -> bool:
    """Return whether a new thread gets into a block."""
    entered = threading.Event()

    def enter() -> None:
        with forking.unforked():
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    return entered.wait(2)


def test_a_child_of_a_parent_with_a_hanging_block_begins_with_none(
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
        # The parent's block must not count here: the child's own forks would wait for it.
        forking.FORK_WAITS_SECONDS = 5
        started = time.monotonic()
        is_well = enter_a_block() and child_can_take(threading.Lock())
        os._exit(0 if is_well and time.monotonic() - started < 4 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert enter_a_block()
    done.set()
    thread.join()
