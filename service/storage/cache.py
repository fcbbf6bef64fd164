"""A cache of orders in Redis that never delays a read for long.

An entry is kept for longer than it counts as fresh: while the database is down, a stale order is
better than none. A caller that finds no fresh entry takes a short lock and reads the
database; the others wait a moment for its result (one flight per key, over all processes).
A caller that changes an order writes it here too, and a script keeps an older version from
replacing a newer one; a change that could not be written is visible a minute later.
When Redis is slow or down, a read costs one database query, not a timeout: after a failure Redis is
not called for a second.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import redis

from service.errors import OrderNotFoundError, StoreUnavailableError
from service.storage.guarded_redis import GuardedRedis, RedisPausedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from observability.instrumentation.redis import CacheInstruments
    from service.orders import Order

logger = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
# Keys that were written together must not expire together.
JITTER = 0.2
ABSENT_SECONDS = 5.0
STALE_SECONDS = 600.0
FLIGHT_SECONDS = 1.0
# Longer than a usual database read, and short compared to the statement timeout.
FLIGHT_WAIT_SECONDS = 0.15
FLIGHT_POLL_SECONDS = 0.01

# KEYS[1] entry; ARGV version, entry, milliseconds. An entry starts with its version and a space.
STORE_SCRIPT = """
local held = redis.call('GET', KEYS[1])
if held and tonumber(string.match(held, '^%d+')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
# KEYS[1] entry, KEYS[2] lock; ARGV token, milliseconds. Takes the lock if it is free and reads the
# entry: a caller that missed just before another one's result came finds both lock and result.
CLAIM_SCRIPT = """
local leads = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
return {leads and 1 or 0, redis.call('GET', KEYS[1])}
"""
# KEYS[1] lock; ARGV the holder's token. Frees the lock only for its holder.
RELEASE_SCRIPT = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """The cached state of one order; an empty body means that there is no such order."""

    version: int
    fresh_until: float
    body: bytes

    def encode(self) -> bytes:
        """Return the entry as Redis keeps it: version, time and body, separated by spaces."""
        return b"%d %.3f %b" % (self.version, self.fresh_until, self.body)

    @classmethod
    def decode(cls, text: bytes) -> Entry:
        """Return the entry that was encoded."""
        version, fresh_until, body = text.split(b" ", 2)
        return cls(int(version), float(fresh_until), body)


@dataclass(frozen=True, slots=True)
class Found:
    """An order's JSON text, and for how many seconds it has been stale."""

    body: bytes
    stale_seconds: float = 0.0


class OrderCache:
    """Single orders as JSON text, from Redis or else from the database.

    Args:
        client: A client whose commands time out soon.
        instruments: Count hits and misses, and time the commands.
        encode: Turns an order into the JSON text that clients read.
        clock: Seconds since the epoch, which all processes share.
    """

    def __init__(
        self,
        client: redis.Redis,
        instruments: CacheInstruments,
        encode: Callable[[Order], bytes],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self._instruments = instruments
        self._encode = encode
        self._clock = clock
        self.guard = GuardedRedis("orders are read from the database only")
        self._store = client.register_script(STORE_SCRIPT)
        self._claim = client.register_script(CLAIM_SCRIPT)
        self._release = client.register_script(RELEASE_SCRIPT)

    def get(self, order_id: UUID, load: Callable[[], Order]) -> Found:
        """Return an order's JSON text, from the cache if possible.

        Args:
            order_id: Which order.
            load: Reads the order from the database.

        Raises:
            OrderNotFoundError: There is no such order.
            StoreUnavailableError: It is not in the cache and the database does not answer.
        """
        try:
            entry = self.guard.run(lambda: self.look_up(order_id))
        except RedisPausedError:
            self._instruments.bypass()
            return Found(self._encode(load()))
        except redis.RedisError:
            self._instruments.error()
            return Found(self._encode(load()))
        if self._is_fresh(entry):
            self._instruments.hit()
            return Found(_body(entry, order_id))
        self._instruments.miss()
        return self._load(order_id, entry, load)

    def put(self, order: Order) -> bytes:
        """Write a changed order through and return its JSON text.

        Never raises, and an older version never replaces a newer one.
        """
        body = self._encode(order)
        self._write(order.id, order.version, body, FRESH_SECONDS)
        return body

    def look_up(self, order_id: UUID) -> Entry | None:
        """Return the entry of an order, fresh or stale.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        with self._instruments.timed():
            text: bytes | None = self.client.get(_key(order_id))  # type: ignore[assignment]
        return self.read(text)

    def read(self, text: bytes | None) -> Entry | None:
        """Return the entry that Redis answered with."""
        return Entry.decode(text) if text else None

    def _load(self, order_id: UUID, stale: Entry | None, load: Callable[[], Order]) -> Found:
        with self._flight(order_id) as (leads, entry):
            if self._is_fresh(entry):
                return Found(_body(entry, order_id))
            if not leads and (entry := stale or self._await(order_id)):
                return Found(_body(entry, order_id))
            try:
                order = load()
            except OrderNotFoundError:
                self._write(order_id, 0, b"", ABSENT_SECONDS)
                raise
            except StoreUnavailableError:
                if stale is None or not stale.body:
                    raise
                logger.warning("a stale order is served: the database does not answer")
                return Found(stale.body, stale_seconds=self._clock() - stale.fresh_until)
            return Found(self.put(order))

    @contextmanager
    def _flight(self, order_id: UUID) -> Iterator[tuple[bool, Entry | None]]:
        """Yield whether this caller is the one that reads the database, and the entry now."""
        name, token = f"flight:{order_id}", secrets.token_hex(8)
        keys = [_key(order_id), name]
        arguments: list[str | int] = [token, int(FLIGHT_SECONDS * 1000)]
        leads, text = self._attempt(lambda: self._claim(keys=keys, args=arguments), (1, None))
        try:
            yield bool(leads), self.read(text)
        finally:
            if leads:
                self._attempt(lambda: self._release(keys=[name], args=[token]), None)

    def _await(self, order_id: UUID) -> Entry | None:
        """Return the entry that the leading caller writes; None after a timeout."""
        deadline = time.monotonic() + FLIGHT_WAIT_SECONDS
        while time.monotonic() < deadline:
            time.sleep(FLIGHT_POLL_SECONDS)
            text = self._attempt(lambda: self.client.get(_key(order_id)), None)
            if text:
                return Entry.decode(text)
        return None

    def _is_fresh(self, entry: Entry | None) -> TypeGuard[Entry]:
        return entry is not None and entry.fresh_until > self._clock()

    def _write(self, order_id: UUID, version: int, body: bytes, fresh_seconds: float) -> None:
        fresh_for = fresh_seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        entry = Entry(version, self._clock() + fresh_for, body)
        keep_for = fresh_for + (STALE_SECONDS if body else 0)
        arguments: list[bytes | int] = [version, entry.encode(), int(keep_for * 1000)]
        self._attempt(lambda: self._store(keys=[_key(order_id)], args=arguments), None)

    def _attempt(self, command: Callable[[], Any], otherwise: Any) -> Any:
        def timed() -> Any:
            with self._instruments.timed():
                return command()

        return self.guard.attempt(timed, otherwise)


def _key(order_id: UUID) -> str:
    return f"order:{order_id}"


def _body(entry: Entry, order_id: UUID) -> bytes:
    if not entry.body:
        raise OrderNotFoundError(order_id)
    return entry.body
