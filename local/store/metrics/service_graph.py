"""Pair the two sides of a call into edges of the service graph, as Tempo does.

Source: Tempo 3.0, metrics generator, service-graphs: client with server, producer with consumer,
database clients by themselves, entry requests as `user`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from local.store import semconv
from local.store.metrics.series import Counter, Histogram
from observability.instrumentation.semconv import (
    ATTR_DB_NAMESPACE,
    ATTR_DB_SYSTEM,
    ATTR_SERVER_ADDRESS,
    ATTR_SERVER_PORT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.store.model import Span

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)
ERROR = 2
_DATABASE_NAMES = (ATTR_SERVER_ADDRESS, ATTR_DB_SYSTEM, "db.system", ATTR_DB_NAMESPACE)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
MOST_HALVES = 10_000
# A message may wait long in its queue; the other half of a call arrives within one export.
CALL_WAIT_SECONDS = 60.0
MESSAGE_WAIT_SECONDS = 1800.0


Key = tuple[str, str]


class _Half(NamedTuple):
    """One side of an edge that waits for the other."""

    span: Span
    seen: float


class _Waiting:
    """Halves in order of arrival, by trace id and the span id of the calling side."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._halves: OrderedDict[Key, _Half] = OrderedDict()

    def put(self, key: Key, span: Span, now: float) -> None:
        self._halves[key] = _Half(span, now)

    def pop(self, key: Key) -> Span | None:
        half = self._halves.pop(key, None)
        return half.span if half else None

    def expired(self, now: float) -> Iterator[Span]:
        while self._halves:
            key, half = next(iter(self._halves.items()))
            if len(self._halves) <= MOST_HALVES and now - half.seen < self._patience:
                return
            del self._halves[key]
            yield half.span


class ServiceGraph:
    """Requests between services, with their latency as each side measured it."""

    def __init__(self) -> None:
        self._requests = Counter(semconv.EDGE_REQUESTS, 500)
        self._failed = Counter(semconv.EDGE_FAILED, 500)
        self._server = Histogram(semconv.EDGE_SERVER, 500)
        self._client = Histogram(semconv.EDGE_CLIENT, 500)
        self._messaging = Histogram(semconv.EDGE_MESSAGING, 500)
        calls, messages = CALL_WAIT_SECONDS, MESSAGE_WAIT_SECONDS
        self._callers = {CLIENT: _Waiting(calls), PRODUCER: _Waiting(messages)}
        self._called = {SERVER: _Waiting(calls), CONSUMER: _Waiting(messages)}

    def count(self, span: Span, now: float) -> None:
        """Count one span: an edge if its other half is known, else a half that waits."""
        if span.kind in (CLIENT, PRODUCER):
            self._take_caller(span, now)
        elif span.kind in (SERVER, CONSUMER):
            self._take_called(span, now)

    def expire(self, now: float) -> None:
        """Drop halves that waited too long; a call to an unknown server becomes its own edge."""
        for waiting in self._callers.values():
            for span in waiting.expired(now):
                self._virtual(span)
        for waiting in self._called.values():
            for _ in waiting.expired(now):
                pass

    def series(self) -> Iterator[Counter | Histogram]:
        """Yield the series to expose."""
        yield from (self._requests, self._failed, self._server, self._client, self._messaging)

    def _take_caller(self, span: Span, now: float) -> None:
        if ATTR_DB_SYSTEM in span.attributes or "db.system" in span.attributes:
            self._database(span)
            return
        key = (span.trace_id, span.span_id)
        other = self._called[SERVER if span.kind == CLIENT else CONSUMER].pop(key)
        if other:
            self._pair(span, other)
        else:
            self._callers[span.kind].put(key, span, now)

    def _take_called(self, span: Span, now: float) -> None:
        if not span.parent_id:
            edge = (semconv.USER, span.service, semconv.CONNECTION_VIRTUAL)
            self._edge(edge, failed=span.status == ERROR)
            self._observe(self._server, edge, span)
            return
        key = (span.trace_id, span.parent_id)
        other = self._callers[CLIENT if span.kind == SERVER else PRODUCER].pop(key)
        if other:
            self._pair(other, span)
        else:
            self._called[span.kind].put(key, span, now)

    def _pair(self, caller: Span, called: Span) -> None:
        message = called.kind == CONSUMER
        connection = semconv.CONNECTION_MESSAGING if message else semconv.CONNECTION_DIRECT
        edge = (caller.service, called.service, connection)
        self._edge(edge, failed=ERROR in (caller.status, called.status))
        self._observe(self._client, edge, caller)
        self._observe(self._server, edge, called)
        if message:
            waited = called.start_ns - caller.start_ns - caller.duration_ns
            when = called.start_ns / 1e9
            self._messaging.observe(edge, max(0, waited) / 1e9, called.trace_id, when)

    def _database(self, span: Span) -> None:
        names = [str(span.attributes[word]) for word in _DATABASE_NAMES if word in span.attributes]
        # On one machine every database is at loopback; its system names it instead.
        server = next((name for name in names if name and name not in _LOOPBACK), "")
        edge = (span.service, server, semconv.CONNECTION_DATABASE)
        self._edge(edge, failed=span.status == ERROR)
        self._observe(self._client, edge, span)

    def _virtual(self, span: Span) -> None:
        server = str(span.attributes.get(ATTR_SERVER_ADDRESS, ""))
        port = span.attributes.get(ATTR_SERVER_PORT)
        if server in _LOOPBACK and port:
            server = f"{server}:{port}"
        if span.kind == CLIENT and server:
            edge = (span.service, server, semconv.CONNECTION_VIRTUAL)
            self._edge(edge, failed=span.status == ERROR)
            self._observe(self._client, edge, span)

    def _edge(self, edge: tuple[str, str, str], *, failed: bool) -> None:
        self._requests.add(edge)
        self._failed.add(edge, float(failed))

    def _observe(self, histogram: Histogram, edge: tuple[str, str, str], span: Span) -> None:
        seconds = span.duration_ns / 1e9
        histogram.observe(edge, seconds, span.trace_id, span.start_ns / 1e9 + seconds)
