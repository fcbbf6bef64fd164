"""Two guards of one Redis: one of them finds out for both whether it is back."""

from __future__ import annotations

import pytest
import redis

from service.storage import guarded_redis
from service.storage.guarded_redis import GuardedRedis


class Server:
    """A Redis that fails while it is down; it counts the calls."""

    is_down = True
    calls = 0

    def command(self) -> str:
        self.calls += 1
        if self.is_down:
            raise redis.TimeoutError("hangs")
        return "pong"


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(guarded_redis.CircuitBreaker.__init__, "__kwdefaults__", {
        **guarded_redis.CircuitBreaker.__init__.__kwdefaults__,
        "clock": lambda: now[0],
    })  # fmt: skip
    return now


@pytest.fixture
def guards(clock):
    leader = GuardedRedis("leads")
    return leader, GuardedRedis("follows", leader)


def test_one_request_that_uses_both_waits_for_one_timeout(guards, clock):
    server, (leader, follower) = Server(), guards
    assert follower.attempt(server.command, "none") == "none"
    for _ in range(4):
        clock[0] += 1.1
        assert follower.attempt(server.command, "none") == "none"
        assert leader.attempt(server.command, "none") == "none"
    assert server.calls == 5


def test_the_follower_goes_on_once_the_leader_has_succeeded(guards, clock):
    server, (leader, follower) = Server(), guards
    leader.attempt(server.command, "none")
    server.is_down = False
    clock[0] += 1.1
    assert follower.attempt(server.command, "none") == "none"
    assert leader.attempt(server.command, "none") == "pong"
    assert follower.attempt(server.command, "none") == "pong"


def test_the_follower_tries_itself_while_nothing_calls_the_leader(guards, clock):
    server, (leader, follower) = Server(), guards
    leader.attempt(server.command, "none")
    server.is_down = False
    clock[0] += guarded_redis.PAUSE_SECONDS + guarded_redis.FOLLOWER_PATIENCE_SECONDS + 0.1
    assert follower.attempt(server.command, "none") == "pong"
