"""The circuit breaker that forked children share."""

from __future__ import annotations

import os

import pytest

from worker.clients import circuit_breaker as breakers
from worker.clients.circuit_breaker import Circuit, SharedStorage
from worker.errors import CircuitOpenError


class OutageError(Exception):
    pass


class AnswerError(Exception):
    pass


@pytest.fixture
def changes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def storage(changes):
    return SharedStorage("payment-provider", os.getpid, lambda *change: changes.append(change))


@pytest.fixture
def breaker(storage):
    return Circuit(storage, is_outage=lambda error: isinstance(error, OutageError))


def fail(error: Exception) -> None:
    raise error


def call_failing(breaker, error: Exception, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            breaker.call(lambda: fail(error))


def make_reset_time_pass(storage) -> None:
    storage._cells[breakers.OPENED_AT] -= breakers.RESET_SECONDS


def test_it_opens_after_five_outages_in_a_row(breaker, storage, changes):
    call_failing(breaker, OutageError(), breakers.FAIL_MAX - 1)
    assert storage.true_state == "closed"
    call_failing(breaker, OutageError())
    assert storage.true_state == "open"
    assert changes == [("payment-provider", "open")]


def test_an_answer_that_is_an_error_keeps_it_closed(breaker, storage):
    call_failing(breaker, AnswerError(), 20)
    assert storage.true_state == "closed"


def test_while_it_is_open_nothing_is_called(breaker):
    call_failing(breaker, OutageError(), breakers.FAIL_MAX)
    called = []
    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: called.append(1))
    assert called == []


def test_a_probe_that_succeeds_closes_it(breaker, storage, changes):
    call_failing(breaker, OutageError(), breakers.FAIL_MAX)
    make_reset_time_pass(storage)
    assert breaker.call(lambda: "ok") == "ok"
    assert [state for _, state in changes] == ["open", "half-open", "closed"]


def test_a_probe_that_fails_opens_it_for_another_period(breaker, storage):
    call_failing(breaker, OutageError(), breakers.FAIL_MAX)
    make_reset_time_pass(storage)
    call_failing(breaker, OutageError())
    assert storage.true_state == "open"
    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: "ok")


def test_one_child_probes_while_the_others_are_turned_away(breaker, storage):
    call_failing(breaker, OutageError(), breakers.FAIL_MAX)
    make_reset_time_pass(storage)

    def probe() -> None:
        storage._process = lambda: -1
        with pytest.raises(CircuitOpenError):
            breaker.call(lambda: "another child")
        storage._process = os.getpid

    breaker.call(probe)
    assert storage.true_state == "closed"


def test_a_probe_whose_child_was_killed_blocks_for_one_period_only(breaker, storage):
    call_failing(breaker, OutageError(), breakers.FAIL_MAX)
    storage._process = lambda: -1
    storage.state = "half-open"
    storage._process = os.getpid
    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: "too early")
    make_reset_time_pass(storage)
    assert breaker.call(lambda: "ok") == "ok"


def test_a_child_opens_it_for_the_parent_and_its_other_children(breaker, storage):
    if (child := os.fork()) == 0:
        call_failing(breaker, OutageError(), breakers.FAIL_MAX)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert storage.true_state == "open"
    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: "not called")
