"""When a circuit breaker allows a call."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from service.circuit_breaker import CircuitBreaker

PAUSE_SECONDS = 10.0


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(PAUSE_SECONDS, clock=clock)


@pytest.fixture
def patient(clock):
    """A breaker that opens after three failures in a row."""
    return CircuitBreaker(PAUSE_SECONDS, max_failures=3, clock=clock)


def test_a_new_breaker_is_closed_and_allows_every_call(breaker):
    assert breaker.state == "closed"
    assert breaker.seconds_to_probe == 0
    assert [breaker.allows() for _ in range(3)] == [True] * 3


def test_only_the_failure_that_opens_it_is_reported(breaker):
    assert [breaker.failed() for _ in range(3)] == [True, False, False]
    assert breaker.state == "open"


def test_no_call_is_allowed_until_the_pause_is_over(breaker, clock):
    breaker.failed()
    clock.seconds += PAUSE_SECONDS - 1
    assert not breaker.allows()
    assert breaker.seconds_to_probe == 1


def test_after_the_pause_one_caller_probes_and_the_others_wait(breaker, clock):
    breaker.failed()
    clock.seconds += PAUSE_SECONDS
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    assert breaker.state == "half-open"


def test_a_probe_that_never_reports_back_blocks_for_one_more_pause_only(breaker, clock):
    breaker.failed()
    clock.seconds += PAUSE_SECONDS
    breaker.allows()
    clock.seconds += PAUSE_SECONDS
    assert breaker.allows()


def test_only_the_success_that_closes_it_is_reported(breaker, clock):
    breaker.failed()
    clock.seconds += PAUSE_SECONDS
    breaker.allows()
    assert [breaker.succeeded() for _ in range(2)] == [True, False]
    assert breaker.allows()


def test_a_probe_that_fails_opens_it_for_another_pause(breaker, clock):
    breaker.failed()
    clock.seconds += PAUSE_SECONDS
    breaker.allows()
    assert not breaker.failed()
    assert breaker.state == "open"
    assert not breaker.allows()


def test_a_late_success_outweighs_one_failure(breaker):
    breaker.failed()
    assert breaker.succeeded()
    assert breaker.state == "closed"


def test_a_late_success_does_not_outweigh_several_failures_in_a_row(patient):
    for _ in range(3):
        patient.failed()
    assert not patient.succeeded()
    assert patient.state == "open"


def test_only_failures_in_a_row_open_it(patient):
    for _ in range(3):
        patient.failed()
        patient.failed()
        patient.succeeded()
    assert patient.state == "closed"
    assert [patient.failed() for _ in range(3)] == [False, False, True]


def test_each_change_of_state_is_reported_once(clock):
    changes: list[str] = []
    breaker = CircuitBreaker(PAUSE_SECONDS, on_change=changes.append, clock=clock)
    breaker.failed()
    breaker.failed()
    clock.seconds += PAUSE_SECONDS
    breaker.allows()
    breaker.succeeded()
    breaker.succeeded()
    assert changes == ["open", "half-open", "closed"]
