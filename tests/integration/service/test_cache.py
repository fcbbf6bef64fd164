from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
import pytest

from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.telemetry import start_telemetry
from service import orders
from service.errors import OrderNotFoundError, StoreUnavailableError
from service.faults.storage import FaultyCache
from service.faults.switchboard import Switchboard, set_fault
from service.orders import Currency, Item, Order
from service.settings import RedisSettings
from service.storage import cache as cache_module
from service.storage import redis_clients
from service.storage.cache import OrderCache
from service.storage.redis_clients import make_cache_client
from service.web.serialization import to_json
from tools.servers import wait_until

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CUSTOMERS_READS_PER_SECOND = 6
LATENCY_OBJECTIVE_SECONDS = 0.5


class Counters:
    """Counts what the cache says it found."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def hit(self) -> None:
        self.results.append("hit")

    def miss(self) -> None:
        self.results.append("miss")

    def error(self) -> None:
        self.results.append("error")

    def bypass(self) -> None:
        self.results.append("bypass")

    def timed(self):
        return threading.Lock()


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Orders:
    """Stands where the database does; counts how often it is read."""

    def __init__(self, order: Order | None) -> None:
        self.order = order
        self.reads = 0
        self.is_down = False
        self.seconds = 0.0

    def load(self) -> Order:
        self.reads += 1
        time.sleep(self.seconds)
        if self.is_down:
            raise StoreUnavailableError("it is down")
        if self.order is None:
            raise OrderNotFoundError(UUID(int=0))
        return self.order


def an_order() -> Order:
    return orders.place(uuid4(), "ada", [Item("tea", 1, 100)], Currency.EUR, NOW)


@pytest.fixture
def telemetry():
    return start_telemetry(TelemetrySettings(sdk_disabled=True), service_name="orders")


class Cached:
    """A cache with a clock that the test moves."""

    def __init__(self, settings, telemetry, faults_file=None) -> None:
        self.counters, self.clock = Counters(), Clock()
        parts = (make_cache_client(settings, telemetry), self.counters, to_json, self.clock)
        self.cache = (
            FaultyCache(*parts, switchboard=Switchboard(faults_file))
            if faults_file
            else OrderCache(*parts)
        )

    def get(self, order_id: UUID, source: Orders) -> dict:
        return orjson.loads(self.cache.get(order_id, source.load).body)


@pytest.fixture
def make_cached(cache_server, cache_client, telemetry):
    made = []

    def make(**changes):
        settings = RedisSettings(port=cache_server.port, password=cache_server.password)
        faults_file = changes.pop("faults_file", None)
        made.append(Cached(replace(settings, **changes), telemetry, faults_file))
        return made[-1]

    yield make
    for cached in made:
        cached.cache.client.close()


def test_the_second_read_does_not_ask_the_database(make_cached) -> None:
    order, cached = an_order(), make_cached()
    source = Orders(order)

    first, second = cached.get(order.id, source), cached.get(order.id, source)

    assert first == second
    assert first["id"] == str(order.id)
    assert source.reads == 1
    assert cached.counters.results == ["miss", "hit"]


def test_what_is_not_there_is_remembered_for_a_moment(make_cached) -> None:
    order_id, cached, nothing = uuid4(), make_cached(), Orders(None)

    for _ in range(3):
        with pytest.raises(OrderNotFoundError):
            cached.get(order_id, nothing)

    assert nothing.reads == 1
    ttl = cached.cache.client.pttl(f"order:{order_id}")
    assert 0 < ttl <= cache_module.ABSENT_SECONDS * 1000 * (1 + cache_module.JITTER)


def test_an_order_that_is_placed_replaces_the_memory_of_its_absence(make_cached) -> None:
    order, cached = an_order(), make_cached()
    with pytest.raises(OrderNotFoundError):
        cached.get(order.id, Orders(None))

    cached.cache.put(order)

    assert cached.get(order.id, Orders(None))["status"] == "pending"


def test_a_change_is_read_at_once(make_cached) -> None:
    order, cached = an_order(), make_cached()
    cached.get(order.id, Orders(order))

    cached.cache.put(order.confirm(NOW))

    assert cached.get(order.id, Orders(None))["status"] == "confirmed"


def test_a_slow_reader_does_not_overwrite_a_newer_version(make_cached) -> None:
    order, cached = an_order(), make_cached()
    cached.cache.put(order.confirm(NOW))

    cached.cache.put(order)

    assert cached.get(order.id, Orders(None))["status"] == "confirmed"


def test_entries_written_together_expire_apart(make_cached) -> None:
    cached = make_cached()
    several = [an_order() for _ in range(50)]
    for order in several:
        cached.cache.put(order)

    keep = [cached.cache.client.pttl(f"order:{order.id}") for order in several]

    spread = (max(keep) - min(keep)) / 1000
    assert spread > cache_module.FRESH_SECONDS * cache_module.JITTER


def test_an_expired_entry_is_read_again(make_cached) -> None:
    order, cached = an_order(), make_cached()
    source = Orders(order)
    cached.get(order.id, source)

    cached.clock.now += cache_module.FRESH_SECONDS * 2

    assert cached.get(order.id, source)["version"] == 1
    assert source.reads == 2


def test_a_stale_entry_is_served_while_the_database_is_down(make_cached) -> None:
    order, cached = an_order(), make_cached()
    source = Orders(order)
    cached.get(order.id, source)
    cached.clock.now += cache_module.FRESH_SECONDS * 3
    source.is_down = True

    found = cached.cache.get(order.id, source.load)

    assert orjson.loads(found.body)["id"] == str(order.id)
    assert found.stale_seconds > cache_module.FRESH_SECONDS


def test_without_an_entry_a_database_that_is_down_is_an_error(make_cached) -> None:
    order, cached = an_order(), make_cached()
    source = Orders(order)
    source.is_down = True

    with pytest.raises(StoreUnavailableError):
        cached.get(order.id, source)


def test_a_reader_that_missed_just_before_another_wrote_reads_the_entry(make_cached) -> None:
    """Between the look-up and the lock another reader may have come and gone."""
    order, first, second = an_order(), make_cached(), make_cached()
    source = Orders(order)
    look_up = second.cache.look_up

    def look_up_then_pause(order_id: UUID) -> cache_module.Entry | None:
        entry = look_up(order_id)
        first.get(order_id, source)
        return entry

    second.cache.look_up = look_up_then_pause

    assert second.get(order.id, source)["id"] == str(order.id)
    assert source.reads == 1


def test_many_readers_of_one_key_cost_one_database_read(make_cached, monkeypatch) -> None:
    """Each reader has its own cache object, as each process does."""
    monkeypatch.setattr(cache_module, "FLIGHT_WAIT_SECONDS", 10.0)
    monkeypatch.setattr(cache_module, "FLIGHT_SECONDS", 10.0)
    monkeypatch.setattr(redis_clients, "CACHE_TIMEOUT_SECONDS", 10.0)
    order = an_order()
    source, readers = Orders(order), [make_cached() for _ in range(16)]
    source.seconds = 0.05
    barrier = threading.Barrier(16)

    def read(cached: Cached) -> dict:
        barrier.wait()
        return cached.get(order.id, source)

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(read, readers))

    assert source.reads == 1
    assert {one["id"] for one in found} == {str(order.id)}


def test_a_reader_that_died_in_flight_holds_up_the_others_only_for_a_moment(make_cached) -> None:
    order, cached = an_order(), make_cached()
    cached.cache.client.set(f"flight:{order.id}", "a dead process", px=60_000)
    start = time.monotonic()

    assert cached.get(order.id, Orders(order))["id"] == str(order.id)
    assert time.monotonic() - start < 0.5


def test_the_lock_is_freed_after_a_read(make_cached) -> None:
    order, cached = an_order(), make_cached()
    cached.get(order.id, Orders(order))

    assert cached.cache.client.keys("flight:*") == []


class TestWithoutRedis:
    @pytest.fixture
    def server(self, start_redis):
        return start_redis()

    @pytest.fixture
    def cached(self, make_cached, server):
        return make_cached(port=server.port, password="")

    def test_a_read_costs_one_database_query(self, cached, server) -> None:
        order = an_order()
        source = Orders(order)
        server.process.kill()
        server.process.wait()

        for reads in range(1, 6):
            assert cached.get(order.id, source)["id"] == str(order.id)
            assert source.reads == reads
        assert cached.counters.results == ["error", *["bypass"] * 4]

    def test_a_hung_redis_delays_one_read_and_not_the_next(self, cached, server) -> None:
        order = an_order()
        cached.get(order.id, Orders(order))
        server.process.send_signal(19)
        times = []
        for _ in range(20):
            start = time.monotonic()
            cached.get(order.id, Orders(order))
            times.append(time.monotonic() - start)
        server.process.send_signal(18)

        assert times[0] < 0.3
        assert sorted(times)[-2] < 0.05

    def test_a_failed_write_raises_nothing(self, cached, server) -> None:
        server.process.kill()
        server.process.wait()

        assert orjson.loads(cached.cache.put(an_order()))["status"] == "pending"

    def test_it_is_used_again_once_it_is_back(self, cached, server, start_redis) -> None:
        order = an_order()
        server.process.kill()
        server.process.wait()
        cached.get(order.id, Orders(order))
        start_redis(port=server.port)

        def hits() -> bool:
            cached.get(order.id, Orders(order))
            return cached.counters.results[-1] == "hit"

        assert wait_until(hits, 5)


def test_the_fault_cold_cache_finds_nothing(make_cached, faults_file) -> None:
    order, cached = an_order(), make_cached(faults_file=faults_file)
    set_fault(faults_file, "cold_cache", "on")
    source = Orders(order)

    for _ in range(3):
        cached.get(order.id, source)

    assert cached.counters.results == ["miss"] * 3
    assert source.reads == 3


@pytest.mark.slow
def test_readers_of_a_hot_key_miss_the_latency_objective_though_they_hit(
    make_cached, faults_file
) -> None:
    order, cached = an_order(), make_cached(faults_file=faults_file)
    cached.cache.put(order)
    set_fault(faults_file, "hot_key", "on")

    def read(number: int) -> float:
        time.sleep(number / CUSTOMERS_READS_PER_SECOND)
        start = time.monotonic()
        cached.get(order.id, Orders(order))
        return time.monotonic() - start

    with ThreadPoolExecutor(max_workers=24) as pool:
        seconds = list(pool.map(read, range(24)))

    late = [wait for wait in seconds[6:] if wait > LATENCY_OBJECTIVE_SECONDS]
    assert len(late) > len(seconds[6:]) / 5
    assert cached.counters.results == ["hit"] * 24
