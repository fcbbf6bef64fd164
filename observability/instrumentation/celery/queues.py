"""Read Celery's queues from a Redis broker at scrape time; one process does this for all.

While the broker cannot be read, the series are absent and `celery_poller_up` is 0: a depth of 0
would look healthy. Celery has no way to ask: https://github.com/celery/celery/issues/8556
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from .. import semconv
from ..metrics import family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import redis
    from prometheus_client.metrics_core import Metric as Family

_logger = logging.getLogger(__name__)

# Source: kombu's Redis transport: a list for each priority, with this before its number.
# https://github.com/celery/kombu/issues/422
PRIORITY_SEPARATOR = "\x06\x16"
PRIORITY_STEPS = (0, 3, 6, 9)
UNACKED = "unacked"
_SCAN_COUNT = 500


class QueueState:
    """The results of one poll, by queue."""

    def __init__(self, queues: Iterable[str]) -> None:
        self.ready = dict.fromkeys(queues, 0.0)
        self.unacked = dict.fromkeys(queues, 0.0)
        self.scheduled = dict.fromkeys(queues, 0.0)
        self.oldest = dict.fromkeys(queues, 0.0)


class QueueCollector:
    """A collector of depth, unacknowledged, scheduled and oldest age of each queue.

    Args:
        connect: Returns a client of the broker, with timeouts; called once and after failures.
        queues: All queues to show, empty ones and those without a worker included.
        scheduled: Returns messages that are due later and not in the broker, by queue.
        limits: How deep each queue may become.
        priority_steps: `priority_steps` of the broker's transport options.
        key_prefix: `global_keyprefix` of the transport options.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        queues: Sequence[str],
        *,
        scheduled: Callable[[], Mapping[str, float]] | None = None,
        limits: Mapping[str, float] | None = None,
        priority_steps: Sequence[int] = PRIORITY_STEPS,
        key_prefix: str = "",
    ) -> None:
        self._connect = connect
        self._queues = tuple(queues)
        self._scheduled = scheduled
        self._limits = dict(limits or {})
        self._prefix = key_prefix
        self._lists = [
            (queue, f"{key_prefix}{_list_name(queue, step)}")
            for queue in self._queues
            for step in priority_steps
        ]
        self._client: redis.Redis | None = None
        self.is_failing = False

    def describe(self) -> list[Family]:
        """Return the families without values."""
        return [family(metric, {}) for metric in _METRICS]

    def collect(self) -> Iterator[Family]:
        """Poll the broker once and yield the families."""
        state = self._poll()
        yield family(semconv.CELERY_POLLER_UP, {(): 0.0 if state is None else 1.0})
        if self._limits:
            yield family(semconv.CELERY_QUEUE_LIMIT, _labelled(self._limits))
        if state is None:
            return
        yield family(semconv.CELERY_QUEUE_MESSAGES, _labelled(state.ready))
        yield family(semconv.CELERY_QUEUE_UNACKED_MESSAGES, _labelled(state.unacked))
        yield family(semconv.CELERY_QUEUE_OLDEST_MESSAGE_AGE, _labelled(state.oldest))
        if self._add_scheduled(state):
            yield family(semconv.CELERY_QUEUE_SCHEDULED_MESSAGES, _labelled(state.scheduled))

    def _poll(self) -> QueueState | None:
        try:
            if self._client is None:
                self._client = self._connect()
            state = self._read(self._client)
        except Exception as error:  # noqa: BLE001 - a broker can fail in many ways
            if not self.is_failing:
                _logger.warning("the broker cannot be read: %s", error)
            self.is_failing, self._client = True, None
            return None
        self.is_failing = False
        return state

    def _read(self, client: redis.Redis) -> QueueState:
        state, now = QueueState(self._queues), time.time()
        pipeline = client.pipeline(transaction=False)
        for _, name in self._lists:
            pipeline.llen(name)
            pipeline.lindex(name, -1)
        answers = pipeline.execute()
        for (queue, _), length, last in zip(self._lists, answers[::2], answers[1::2], strict=True):
            state.ready[queue] += length
            if last is not None:
                _note_age(state, queue, last, now)
        self._read_unacked(client, state, now)
        return state

    def _read_unacked(self, client: redis.Redis, state: QueueState, now: float) -> None:
        for _, value in client.hscan_iter(self._prefix + UNACKED, count=_SCAN_COUNT):
            message, _, queue = (*orjson.loads(value), None, None)[:3]
            if queue not in state.unacked:
                continue
            # A message that waits for its ETA is delivered but not being worked on.
            kind = state.scheduled if _is_due_later(message, now) else state.unacked
            kind[queue] += 1

    def _add_scheduled(self, state: QueueState) -> bool:
        if self._scheduled is None:
            return True
        try:
            for queue, count in self._scheduled().items():
                if queue in state.scheduled:
                    state.scheduled[queue] += count
        except Exception as error:  # noqa: BLE001 - the series is absent, as the others would be
            _logger.warning("scheduled messages cannot be counted: %s", error)
            return False
        return True


_METRICS = (
    semconv.CELERY_POLLER_UP,
    semconv.CELERY_QUEUE_LIMIT,
    semconv.CELERY_QUEUE_MESSAGES,
    semconv.CELERY_QUEUE_UNACKED_MESSAGES,
    semconv.CELERY_QUEUE_OLDEST_MESSAGE_AGE,
    semconv.CELERY_QUEUE_SCHEDULED_MESSAGES,
)


def _list_name(queue: str, step: int) -> str:
    return f"{queue}{PRIORITY_SEPARATOR}{step}" if step else queue


def _labelled(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(queue,): value for queue, value in values.items()}


def _headers(message: Any) -> dict[str, Any]:
    headers = message.get("headers") if isinstance(message, dict) else None
    return headers if isinstance(headers, dict) else {}


def _note_age(state: QueueState, queue: str, raw: bytes, now: float) -> None:
    # Messages enter at the other end, so this one has waited longest in its list.
    enqueued_at = _headers(orjson.loads(raw)).get(semconv.HEADER_ENQUEUED_AT)
    if isinstance(enqueued_at, (int, float)):
        state.oldest[queue] = max(state.oldest[queue], now - enqueued_at, 0.0)


def _is_due_later(message: Any, now: float) -> bool:
    eta = _headers(message).get("eta")
    try:
        return bool(eta) and datetime.fromisoformat(str(eta)).timestamp() > now
    except ValueError:
        return False
