"""Name lookups with a deadline, against a resolver that the test makes slow."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from observability.instrumentation.dependencies import bound_lookups, lookups_within
from tools.servers import wait_until

ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


class Resolver:
    """A resolver that answers names after `seconds`, or not before it is released."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.error: Exception | None = None
        self.asked: list[str] = []

    def getaddrinfo(self, host: str, port: Any, *rest: int) -> list[Any]:
        if rest[-1] & socket.AI_NUMERICHOST and host[0] not in "0123456789":
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        self.asked.append(host)
        self.answers.wait(30)
        if self.error:
            raise self.error
        return ANSWER


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    bound_lookups(0.2)
    yield made
    made.answers.set()


def look_up(name: str = "cache") -> tuple[float, Any]:
    started = time.monotonic()
    try:
        found = socket.getaddrinfo(name, 80)
    except OSError as error:
        found = error
    return time.monotonic() - started, found


def test_a_name_is_looked_up_as_usual_while_the_resolver_answers(resolver: Resolver) -> None:
    assert look_up() == (pytest.approx(0, abs=0.15), ANSWER)
    assert resolver.asked == ["cache"]


def test_an_address_is_passed_on_without_a_thread(resolver: Resolver) -> None:
    resolver.answers.set()
    before = threading.active_count()
    assert look_up("127.0.0.1")[1] == ANSWER
    assert threading.active_count() == before


def test_a_lookup_that_hangs_costs_the_deadline_once_and_then_nothing(resolver: Resolver) -> None:
    resolver.answers.clear()
    first = look_up()
    assert 0.19 < first[0] < 0.6
    assert isinstance(first[1], socket.gaierror)
    assert first[1].errno == socket.EAI_AGAIN
    assert "'cache' has had no answer" in str(first[1])
    started = time.monotonic()
    assert all(isinstance(look_up()[1], socket.gaierror) for _ in range(100))
    assert time.monotonic() - started < 0.2
    assert resolver.asked == ["cache"]


def test_other_names_are_answered_while_one_hangs(resolver: Resolver) -> None:
    resolver.answers.clear()
    look_up("cache")
    resolver.answers.set()
    assert look_up("postgres")[1] == ANSWER


def test_a_name_that_is_back_is_found_although_old_lookups_still_hang(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("observability.instrumentation.dependencies.lookups.RENEW_SECONDS", 0.3)
    stuck = threading.Event()
    resolver.answers = stuck
    look_up()
    resolver.answers = threading.Event()
    resolver.answers.set()
    wait_until(lambda: look_up()[1] == ANSWER, 5)
    stuck.set()


def test_few_lookups_of_a_name_hang_at_once(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("observability.instrumentation.dependencies.lookups.RENEW_SECONDS", 0.01)
    resolver.answers.clear()
    for _ in range(30):
        look_up()
        time.sleep(0.011)
    assert len(resolver.asked) == 4


def test_a_block_has_a_deadline_of_its_own(resolver: Resolver) -> None:
    resolver.answers.clear()
    with lookups_within(0.05):
        assert look_up("a")[0] < 0.15
    assert look_up("b")[0] > 0.15


def test_an_error_of_the_resolver_is_raised(resolver: Resolver) -> None:
    resolver.error = socket.gaierror(socket.EAI_NONAME, "unknown")
    assert look_up()[1] is resolver.error


def test_a_child_process_looks_up_although_the_parents_lookup_hangs(resolver: Resolver) -> None:
    resolver.answers.clear()
    look_up()
    threading.Timer(0.1, resolver.answers.set).start()
    pid = os.fork()
    if not pid:
        resolver.answers = threading.Event()
        resolver.answers.set()
        os._exit(0 if look_up()[1] == ANSWER else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_second_call_only_changes_the_deadline(resolver: Resolver) -> None:
    bound_lookups(0.05)
    resolver.answers.clear()
    assert look_up()[0] < 0.15
