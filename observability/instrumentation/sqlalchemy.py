"""Instrument SQLAlchemy 2: OpenTelemetry's spans of statements, and the metrics of the pool.

Works with every driver, psycopg 2 and 3 among them. The metrics have the names of those of
`psycopg.InstrumentedPool`.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

from .settings import prefer_stable_names

prefer_stable_names()

from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer  # noqa: E402
from opentelemetry.metrics import NoOpMeter  # noqa: E402
from sqlalchemy import event  # noqa: E402
from sqlalchemy.exc import TimeoutError as PoolTimeout  # noqa: E402
from sqlalchemy.pool import QueuePool  # noqa: E402

from ._multiprocess.forking import call_in_children  # noqa: E402
from .metrics import PoolInstruments  # noqa: E402

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

    from .telemetry import Telemetry

_INSTRUMENTED = "_telemetry_pool"


def instrument_sqlalchemy(engine: Engine, telemetry: Telemetry, pool_name: str) -> Engine:
    """Give an engine's statements spans, and its pool metrics.

    A child process gets an empty pool: it must not use the connections of its parent.

    Args:
        engine: The engine to instrument; a second call does nothing. Of an AsyncEngine, its
            `sync_engine`.
        telemetry: Its tracer provider makes the spans.
        pool_name: The `pool` label.

    Returns:
        The same engine.
    """
    if hasattr(engine, _INSTRUMENTED):
        return engine
    if not (_is_traced(engine) or telemetry.settings.sdk_disabled):
        tracer = telemetry.provider.get_tracer("opentelemetry.instrumentation.sqlalchemy")
        # SQLAlchemyInstrumentor takes engines only once per process, and refuses SQLAlchemy 2.1:
        # https://github.com/open-telemetry/opentelemetry-python-contrib/issues/3977
        counter = NoOpMeter("none").create_up_down_counter("none")
        EngineTracer(tracer, engine, counter)  # type: ignore[no-untyped-call]
    metrics = _PoolMetrics(engine, PoolInstruments(telemetry.metrics, pool_name))
    setattr(engine, _INSTRUMENTED, metrics)
    return engine


def _is_traced(engine: Engine) -> bool:
    """Return whether SQLAlchemyInstrumentor traces the engine already."""
    listeners: Any = engine.dispatch.before_cursor_execute
    return any(isinstance(getattr(one, "__self__", None), EngineTracer) for one in listeners)


class _PoolMetrics:
    """The metrics of an engine's pool, also after `dispose` has replaced the pool."""

    def __init__(self, engine: Engine, instruments: PoolInstruments) -> None:
        self._engine = weakref.ref(engine)
        self._instruments = instruments
        self._in_use: set[Any] = set()
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "checkin", self._on_checkin)
        event.listen(engine, "detach", self._on_checkin)
        event.listen(engine, "engine_disposed", self._watch)
        self._watch(engine)
        call_in_children(self)

    def after_fork(self) -> None:
        """Leave the connections to the parent."""
        self._in_use = set()
        engine = self._engine()
        if engine is not None:
            engine.dispose(close=False)

    def _watch(self, engine: Engine) -> None:
        pool = engine.pool
        self._instruments.most.set(_most(pool))
        # No event precedes the wait for a connection.
        pool.connect = self._timed(pool.connect)  # type: ignore[method-assign]

    def _timed(self, connect: Any) -> Any:
        def timed() -> Any:
            started = time.perf_counter()
            self._instruments.waiting.inc()
            try:
                return connect()
            except PoolTimeout:
                self._instruments.timeouts.inc()
                raise
            finally:
                self._instruments.waiting.dec()
                self._instruments.waits.observe(time.perf_counter() - started)

        return timed

    def _on_checkout(self, _connection: Any, record: Any, _proxy: Any) -> None:
        if record not in self._in_use:
            self._in_use.add(record)
            self._instruments.in_use.inc()

    def _on_checkin(self, _connection: Any, record: Any) -> None:
        # A connection that is detached is checked in too.
        if record in self._in_use:
            self._in_use.discard(record)
            self._instruments.in_use.dec()


def _most(pool: Pool) -> float:
    """Return how many connections a pool may open; infinity if there is no limit."""
    if not isinstance(pool, QueuePool):
        return float("inf")
    # Private: upstream shows the size, and what is beyond it now, but not the limit of that.
    # https://github.com/sqlalchemy/sqlalchemy/issues/4581
    overflow = pool._max_overflow
    return float("inf") if overflow < 0 else float(pool.size() + overflow)
