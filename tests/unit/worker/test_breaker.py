"""The circuit breaker that all child processes of a worker share."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from worker.clients.circuit_breaker import MAX_FAILURES, PAUSE_SECONDS, SharedCircuitBreaker
from worker.errors import CircuitOpenError


class OutageError(Exception):
    pass


class AnswerError(Exception):
    pass


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def changes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(changes, clock):
    return SharedCircuitBreaker(
        "payment-provider",
        lambda error: isinstance(error, OutageError),
        lambda *change: changes.append(change),
        clock,
    )


def fail(error: Exception) -> None:
    raise error


def call_failing(breaker, error: Exception, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            breaker.call(lambda: fail(error))


def in_child(work) -> None:
    """Run work in a forked child process, and wait for it."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_it_opens_after_five_outages_in_a_row(breaker, changes):
    call_failing(breaker, OutageError(), MAX_FAILURES - 1)
    assert breaker.state == "closed"
    call_failing(breaker, OutageError())
    assert breaker.state == "open"
    assert changes == [("payment-provider", "open")]


def test_an_answer_that_is_an_error_keeps_it_closed(breaker):
    call_failing(breaker, AnswerError(), 20)
    assert breaker.state == "closed"


def test_while_it_is_open_nothing_is_called(breaker):
    call_failing(breaker, OutageError(), MAX_FAILURES)
    called = []
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(lambda: called.append(1))
    assert called == []
    assert caught.value.retry_after == timedelta(seconds=PAUSE_SECONDS)


def test_a_probe_that_succeeds_closes_it(breaker, changes, clock):
    call_failing(breaker, OutageError(), MAX_FAILURES)
    clock.seconds += PAUSE_SECONDS
    assert breaker.call(lambda: "ok") == "ok"
    assert [state for _, state in changes] == ["open", "half-open", "closed"]


def test_a_probe_that_fails_opens_it_for_another_period(breaker, clock):
    call_failing(breaker, OutageError(), MAX_FAILURES)
    clock.seconds += PAUSE_SECONDS
    call_failing(breaker, OutageError())
    assert breaker.state == "open"
    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: "ok")


def test_one_child_probes_while_the_others_wait(breaker, clock):
    call_failing(breaker, OutageError(), MAX_FAILURES)
    clock.seconds += PAUSE_SECONDS
    reader, writer = os.pipe()

    def call_in_another_child() -> None:
        try:
            breaker.call(lambda: "not called")
        except CircuitOpenError:
            os.write(writer, b"turned away")

    breaker.call(lambda: in_child(call_in_another_child))
    assert os.read(reader, 100) == b"turned away"
    assert breaker.state == "closed"
    os.close(reader)
    os.close(writer)


def test_a_probe_whose_child_was_killed_blocks_for_one_period_only(breaker, clock):
    call_failing(breaker, OutageError(), MAX_FAILURES)
    clock.seconds += PAUSE_SECONDS
    in_child(lambda: breaker.call(lambda: os._exit(0)))
    assert breaker.state == "half-open"
    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: "too early")
    clock.seconds += PAUSE_SECONDS
    assert breaker.call(lambda: "ok") == "ok"


def test_a_child_opens_it_for_the_main_process_and_its_other_children(breaker):
    in_child(lambda: call_failing(breaker, OutageError(), MAX_FAILURES))
    assert breaker.state == "open"
    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: "not called")
