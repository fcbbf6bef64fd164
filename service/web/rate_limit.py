"""How often a client may send a request."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from service.errors import TooManyRequestsError
from service.storage.guarded_redis import GuardedRedis

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

WINDOW_SECONDS = 10
# A process takes this part of a client's budget at once, so a busy client costs
# about one Redis command in twenty requests.
LEASE_SHARE = 0.05
MOST_CLIENTS = 10_000


class RateLimit:
    """Requests per client, counted over all processes; without Redis none is refused.

    Args:
        client: The cache's Redis.
        per_second: Requests per second on average over a window; 0 is no limit.
        clock: Seconds since the epoch, which all processes share.
        leader: The cache's guard of the same Redis.
    """

    def __init__(
        self,
        client: redis.Redis,
        per_second: float,
        clock: Callable[[], float] = time.time,
        leader: GuardedRedis | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._budget = int(per_second * WINDOW_SECONDS)
        self._lease = max(1, int(self._budget * LEASE_SHARE))
        self._redis = GuardedRedis("requests are not limited", leader)
        self._lock = threading.Lock()
        self._window = 0
        self._left: dict[str, int] = {}

    def spend(self, client: str) -> None:
        """Count one request of a client, or raise TooManyRequestsError."""
        if not self._budget:
            return
        now = self._clock()
        window = int(now // WINDOW_SECONDS)
        left = self._take(client, window)
        if left is None:
            left = self._take_lease(client, window)
        if left is not None and left < 0:
            raise TooManyRequestsError(int((window + 1) * WINDOW_SECONDS - now) + 1)

    def _take(self, client: str, window: int) -> int | None:
        """Return the requests left of this process's lease, -1 for none, None if unknown."""
        with self._lock:
            if window != self._window or len(self._left) > MOST_CLIENTS:
                self._window = window
                self._left.clear()
            left = self._left.get(client)
            if left is None or left == 0:
                return None
            if left > 0:
                self._left[client] = left = left - 1
            return left

    def _take_lease(self, client: str, window: int) -> int | None:
        """Lease requests from Redis; return those left, -1 for none, None without Redis."""
        spent = self._redis.attempt(lambda: self._count(f"rate:{window}:{client}"), None)
        if spent is None:
            return None
        granted = min(self._lease, self._budget - (spent - self._lease))
        with self._lock:
            left = granted - 1 if granted > 0 else -1
            self._left[client] = left if left < 0 else max(left, self._left.get(client, 0))
            return left

    def _count(self, name: str) -> int | None:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.incrby(name, self._lease)
        pipeline.expire(name, 2 * WINDOW_SECONDS)
        return int(pipeline.execute()[0])
