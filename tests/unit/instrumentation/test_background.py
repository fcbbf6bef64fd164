"""Calls that a scrape does not wait for: several scrapes at a time, and a deadline."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from observability.instrumentation.dependencies.background import BackgroundCall

SCRAPES = 400


@pytest.fixture
def eager_threads():
    """Threads take turns so often that a race shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_scrapes_at_the_same_time_all_get_a_result() -> None:
    call = BackgroundCall(lambda: 1)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: call.begin().result(time.monotonic() + 5), range(SCRAPES))
        assert set(found) == {1}


def test_a_call_that_runs_is_shared_and_left_at_the_deadline() -> None:
    may_end = threading.Event()
    calls: list[int] = []

    def slow() -> int:
        calls.append(1)
        may_end.wait(10)
        return len(calls)

    call = BackgroundCall(slow)
    first, second = call.begin(), call.begin()
    assert first.result(time.monotonic() + 0.05) is None
    may_end.set()
    assert first.result(time.monotonic() + 5) == 1
    assert second.result(time.monotonic() + 5) == 1
    assert call.begin().result(time.monotonic() + 5) == 2
