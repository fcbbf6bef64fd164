from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from service.errors import TooManyRequestsError
from service.web.rate_limit import WINDOW_SECONDS, RateLimit
from tests.integration.service.orders import place


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def passes(limit: RateLimit, client: str, times: int) -> int:
    """Return how many of these requests pass."""
    passed = 0
    for _ in range(times):
        try:
            limit.spend(client)
        except TooManyRequestsError:
            continue
        passed += 1
    return passed


def test_a_client_passes_as_often_as_it_may_and_no_more(cache_client) -> None:
    limit = RateLimit(cache_client, 10, Clock())

    assert passes(limit, "ada", 300) == 10 * WINDOW_SECONDS
    assert passes(limit, "bob", 1) == 1


def test_processes_share_one_budget(cache_client) -> None:
    clock = Clock()
    limits = [RateLimit(cache_client, 10, clock) for _ in range(4)]

    with ThreadPoolExecutor(4) as threads:
        passed = sum(threads.map(lambda limit: passes(limit, "ada", 100), limits))

    assert passed == 10 * WINDOW_SECONDS


def test_the_next_window_is_a_new_budget_and_the_answer_names_its_start(cache_client) -> None:
    clock = Clock()
    limit = RateLimit(cache_client, 1, clock)
    passes(limit, "ada", 10)
    with pytest.raises(TooManyRequestsError) as refused:
        limit.spend("ada")

    clock.now += refused.value.retry_after_seconds

    assert passes(limit, "ada", 1) == 1


def test_a_busy_client_costs_few_commands(cache_client) -> None:
    limit = RateLimit(cache_client, 100, Clock())
    before = cache_client.info("commandstats")
    passes(limit, "ada", 500)
    after = cache_client.info("commandstats")

    def calls(stats) -> int:
        return stats.get("cmdstat_incrby", {"calls": 0})["calls"]

    assert calls(after) - calls(before) == 10


def test_counters_go_away_by_themselves(cache_client) -> None:
    passes(RateLimit(cache_client, 10, Clock()), "ada", 1)

    [name] = cache_client.keys("rate:*")
    assert 0 < cache_client.ttl(name) <= 2 * WINDOW_SECONDS


def test_without_redis_everybody_passes() -> None:
    limit = RateLimit(redis.Redis(port=1, socket_timeout=0.1), 1, Clock())

    assert passes(limit, "ada", 100) == 100


def test_no_limit_is_0() -> None:
    assert passes(RateLimit(redis.Redis(port=1), 0, Clock()), "ada", 1000) == 1000


def test_a_client_above_the_limit_learns_when_to_retry(make_app) -> None:
    client = make_app(rate_limit=0.3).test_client()
    for _ in range(3):
        assert place(client).status_code == 201

    refused = place(client)

    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")
    assert 1 <= int(refused.headers["Retry-After"]) <= WINDOW_SECONDS + 1
    assert client.get("/livez").status_code == 200


def test_behind_a_trusted_proxy_each_client_has_its_own_budget(make_app) -> None:
    client = make_app(rate_limit=0.1, trusted_proxies=1).test_client()

    def status(forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return client.get("/v1/orders?customer_id=ada", headers=headers).status_code

    assert [status("10.0.0.1"), status("10.0.0.2")] == [200, 200]
    # What a client writes itself stands further left and counts for nothing.
    assert status("1.2.3.4, 10.0.0.1") == 429


def test_without_a_proxy_a_forged_address_is_ignored(make_app) -> None:
    client = make_app(rate_limit=0.1).test_client()
    path = "/v1/orders?customer_id=ada"

    statuses = [
        client.get(path, headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(2)
    ]

    assert statuses == [200, 429]
